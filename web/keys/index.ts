export { type Bytes, fromBase64Url, randomBytes, toBase64Url, wipe } from './bytes';
export { kMaxText, SealedChannel, type SealedMessage } from './channel';
export { createIdentity, Handshake, type HandshakeState, type Hello, type Identity } from './handshake';
export {
  Invitation,
  kSecretBytes,
  type LinkProblem,
  parseInvitation,
  parsePastedLink,
  takeInvitation,
} from './invitation';
export { kMaterialBytes, SenderKey } from './sender_key';
export { type KeyMessage, kKeyIndexes, SenderKeys, type SenderKeysOptions } from './sender_keys';
