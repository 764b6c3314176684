-- What a conference's rooms have beyond Prosody's: a number of places, a lobby in front of rooms that are for members only,
-- and how both are announced. The lobby's rooms live in a second MUC, `conference_lobby`.
local st = require "util.stanza";
local jid = require "util.jid";

local places = module:get_option_number("conference_places", 0);
local lobby_host = module:get_option_string("conference_lobby");
local focus = module:get_option_string("conference_focus");

local function lobby_rooms()
	local host = lobby_host and prosody.hosts[lobby_host];
	return host and host.modules.muc;
end

local function lobby_jid(room) return jid.node(room.jid) .. "@" .. lobby_host; end

local function is_focus(address) return jid.bare(address) == focus; end

module:hook("muc-occupant-pre-join", function(event)
	local room, stanza = event.room, event.stanza;
	if is_focus(stanza.attr.from) then return; end
	if places > 0 then
		local taken = 0;
		for _, occupant in room:each_occupant() do
			if not is_focus(occupant.bare_jid) then taken = taken + 1; end
		end
		if taken >= places then
			event.origin.send(st.error_reply(stanza, "cancel", "service-unavailable"));
			return true;
		end
	end
end, 10);

-- Before Prosody's own check for members (-5): says where to knock.
module:hook("muc-occupant-pre-join", function(event)
	local room, stanza = event.room, event.stanza;
	if not lobby_host or not room._data.members_only or is_focus(stanza.attr.from) then return; end
	local affiliation = room:get_affiliation(stanza.attr.from);
	if affiliation and affiliation ~= "none" then return; end
	-- The room's password opens the door, too.
	local x = stanza:get_child("x", "http://jabber.org/protocol/muc");
	local password = x and x:get_child_text("password");
	if password and password ~= "" and password == room._data.password then
		room:set_affiliation(true, jid.bare(stanza.attr.from), "member");
		return;
	end
	local reply = st.error_reply(stanza, "auth", "registration-required"):up();
	reply:tag("lobbyroom", { xmlns = "http://jitsi.org/jitmeet" }):text(lobby_jid(room)):up();
	event.origin.send(reply);
	return true;
end, -4);

module:hook("muc-config-submitted/muc#roomconfig_membersonly", function(event)
	local lobby = lobby_rooms();
	if not lobby then return; end
	local room = event.room;
	if event.value and not room._data.members_only then
		-- Whoever is in already stays in.
		for _, occupant in room:each_occupant() do
			if not room:get_affiliation(occupant.bare_jid) then room:set_affiliation(true, occupant.bare_jid, "member"); end
		end
		local name = lobby_jid(room);
		local other = lobby.get_room_from_jid(name) or lobby.create_room(name);
		other.main_room = room;
		for _, occupant in room:each_occupant() do
			if occupant.role == "moderator" then other:set_affiliation(true, occupant.bare_jid, "owner"); end
		end
	elseif not event.value and room._data.members_only then
		local other = lobby.get_room_from_jid(lobby_jid(room));
		if other then other:destroy(room.jid, "Lobby room closed."); end
	end
end, 20);

module:hook("muc-set-affiliation", function(event)
	local lobby = lobby_rooms();
	if not lobby or event.affiliation ~= "owner" then return; end
	local other = lobby.get_room_from_jid(lobby_jid(event.room));
	if other then other:set_affiliation(true, event.jid, "owner"); end
end);

module:hook("muc-room-destroyed", function(event)
	local lobby = lobby_rooms();
	local other = lobby and lobby.get_room_from_jid(lobby_jid(event.room));
	if other then other:destroy(nil, "The conference ended."); end
end);

-- Invited from the lobby: gets in, and past the password.
module:hook("muc-invite", function(event)
	local room, invitee = event.room, event.stanza.attr.to;
	if room._data.members_only and not room:get_affiliation(invitee) then
		room:set_affiliation(true, jid.bare(invitee), "member");
	end
end, 10);

module:hook("muc-disco#info", function(event)
	if not lobby_host or not event.room._data.members_only then return; end
	table.insert(event.form, { name = "muc#roominfo_lobbyroom", label = "Lobby room jid", value = "" });
	event.formdata["muc#roominfo_lobbyroom"] = lobby_jid(event.room);
end);
