/**
 * Our own data packets, seen from the page: what goes into a LiveKit data packet instead of clear bytes. Keys stay in the
 * worker; the packet says nothing but key index, a random stream number and a counter. Format: docs/formats.md.
 */
import { EngineError } from '../media/errors';
import type { SiegelAnswer, SiegelRequest } from './protocol';
import type { DataCipherApi, DataContext } from './types';

type Ask = (request: SiegelRequest, transfer: Transferable[]) => Promise<SiegelAnswer>;

const kMalformed = 4;

export class DataCipher implements DataCipherApi {
  readonly #ask: Ask;

  /** `ask` is LiveKitCipher's door to the worker. */
  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async seal(payload: Uint8Array, { sender, topic }: DataContext): Promise<Uint8Array<ArrayBuffer>> {
    const copy = new Uint8Array(payload);
    return packet(await this.#ask({ kind: 'sealData', payload: copy, context: { sender, topic } }, [copy.buffer]));
  }

  async open(sealed: Uint8Array, { sender, topic }: DataContext): Promise<Uint8Array<ArrayBuffer>> {
    const copy = new Uint8Array(sealed);
    return packet(await this.#ask({ kind: 'openData', packet: copy, context: { sender, topic } }, [copy.buffer]));
  }
}

function packet(answer: SiegelAnswer): Uint8Array<ArrayBuffer> {
  if (!(answer instanceof Uint8Array)) throw new EngineError(kMalformed);
  return answer;
}
