// For the linker (--js-library): Embind registers every type it knows, whether a function uses it or not. Numbers and booleans
// are all that bindings.cc needs; the code for the others would be a tenth of what the worker loads.
// A function that did use one of them would fail when the module starts ("unbound types"), so every test would notice.
addToLibrary({
  _embind_register_std_string: () => {},
  _embind_register_std_wstring: () => {},
  _embind_register_memory_view: () => {},
  _embind_register_emval: () => {},
  _embind_register_float: () => {},
  _embind_register_bigint: () => {},
});
