-- Signing in as at a Jitsi deployment: SASL ANONYMOUS, where `conference_token_secret` is set only with a token, which comes
-- as `token` in the address of the stream. A stream that is interrupted comes back under its old name with `previd`.
-- What is said on the wire (conditions and texts) is what Jitsi's own module says.
local jwt = require "util.jwt";
local id = require "util.id";
local url_decode = require "util.http".urldecode;

local secret = module:get_option_string("conference_token_secret");
local token_rooms = {};
module:set_global();

local function query_of(request)
	local found = {};
	for key, value in ((request.url and request.url.query) or ""):gmatch("([^&=]+)=([^&]*)") do
		found[url_decode(key)] = url_decode(value);
	end
	return found;
end

local function on_stream(event)
	local query = query_of(event.request);
	event.session.conference_token = query.token;
	event.session.conference_room = query.room;
	event.session.conference_previous = query.previd;
end

module:hook("bosh-session", on_stream);
module:hook("websocket-session", on_stream);

function module.add_host(module)
	local host_secret = module:get_option_string("conference_token_secret");

	-- nil when it may come in, else condition and text.
	local function refused(session)
		if not host_secret then return nil; end
		if not session.conference_token then return "not-allowed", "token required"; end
		local ok, claims = jwt.verify(host_secret, session.conference_token);
		if not ok then return "not-allowed", "Invalid signature"; end
		if type(claims.exp) == "number" and claims.exp < os.time() then
			return "not-allowed", "Not acceptable by exp (" .. tostring(claims.exp - os.time()) .. ")";
		end
		if type(claims.room) ~= "string" then return "not-allowed", "'room' claim is missing"; end
		if claims.room ~= "*" and claims.room:lower() ~= (session.conference_room or "") then
			return "not-allowed", "Room and token mismatched";
		end
		session.conference_moderator = claims.context and claims.context.user and claims.context.user.moderator;
		return nil;
	end

	-- The account of an interrupted stream that this one goes on with.
	local function previous_user(session)
		if not session.conference_previous then return nil; end
		for user, account in pairs(prosody.hosts[module.host].sessions) do
			for _, other in pairs(account.sessions) do
				if other.resumption_token == session.conference_previous then return user; end
			end
		end
	end

	local function new_handler(session)
		local handler = { profile = {} };
		function handler:mechanisms() return { ANONYMOUS = true }; end
		function handler:select(mechanism) self.selected = mechanism; return mechanism == "ANONYMOUS"; end
		function handler:clean_clone() return new_handler(session); end
		function handler:process()
			local condition, text = refused(session);
			if condition then return "failure", condition, text; end
			self.username = previous_user(session) or id.long():lower():gsub("[^a-z0-9]", "");
			return "success";
		end
		return handler;
	end

	local provider = {};
	function provider.get_sasl_handler(session) return new_handler(session); end
	function provider.user_exists() return true; end
	function provider.test_password() return nil, "Only tokens are accepted"; end
	function provider.get_password() return nil, "There are no passwords"; end
	function provider.set_password() return nil, "There are no passwords"; end
	function provider.create_user() return nil, "Nobody signs up here"; end
	function provider.users() return next, prosody.hosts[module.host].sessions, nil; end
	module:provides("auth", provider);
end
