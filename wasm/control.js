// Part of the glue (Emscripten's --post-js): the shape that web/media/engine_types.ts promises, over the functions of
// bindings.cc. Copies bytes into the module's input block, which the call wipes; decides nothing.
{
  const withBytes = (bytes, call) => {
    // Too long for the block: the engine says kInvalidKey to any size that it cannot hold.
    if (bytes.length <= 4096) HEAPU8.set(bytes, Module._siegel_input());
    return call(bytes.length);
  };
  const halves = (wide) => [Number(BigInt.asUintN(64, wide) >> 32n), Number(BigInt.asUintN(32, wide))];
  Module.Sealer = class {
    constructor(format, ringSize) {
      this.handle = Module.sealerNew(format, ringSize);
    }
    setKey(keyIndex, material, derivation, current) {
      return withBytes(material, (size) => Module.sealerSetKey(this.handle, keyIndex, size, derivation, current));
    }
    setSFrameKey(suite, kid, baseKey) {
      return withBytes(baseKey, (size) => Module.sealerSetSFrameKey(this.handle, suite, ...halves(kid), size));
    }
    setMetadata(metadata) {
      return withBytes(metadata, (size) => Module.sealerSetMetadata(this.handle, size));
    }
    ratchet() {
      return Module.sealerRatchet(this.handle);
    }
    dropKey(keyIndex) {
      return Module.sealerDropKey(this.handle, keyIndex);
    }
    currentKeyIndex() {
      return Module.sealerCurrentKeyIndex(this.handle);
    }
    delete() {
      Module.sealerDelete(this.handle);
      this.handle = 0;
    }
  };
  Module.Opener = class {
    constructor(format, ringSize, ratchetWindow) {
      this.handle = Module.openerNew(format, ringSize, ratchetWindow);
    }
    setKey(keyIndex, material, derivation) {
      return withBytes(material, (size) => Module.openerSetKey(this.handle, keyIndex, size, derivation));
    }
    setSFrameKey(suite, kid, baseKey) {
      return withBytes(baseKey, (size) => Module.openerSetSFrameKey(this.handle, suite, ...halves(kid), size));
    }
    setMetadata(metadata) {
      return withBytes(metadata, (size) => Module.openerSetMetadata(this.handle, size));
    }
    setInjectedFrames(trailer, accept) {
      return withBytes(trailer, (size) => Module.openerSetInjectedFrames(this.handle, size, accept));
    }
    dropKey(keyIndex) {
      return Module.openerDropKey(this.handle, keyIndex);
    }
    delete() {
      Module.openerDelete(this.handle);
      this.handle = 0;
    }
  };
  Module.errorCount = () => Module._siegel_error_count();
  Module.variant = () => (Module._siegel_relaxed() ? 'simd-relaxed' : 'simd');
}
