-- Names the conference's components in the domain's disco#info, as Jitsi's modules do: clients find them there.
for kind, address in pairs(module:get_option("conference_components", {})) do
	module:add_identity("component", kind, address);
end
