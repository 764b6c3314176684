/**
 * One id for all tabs of this browser on this origin, without storing anything: tabs that are open tell it to those that
 * open. It lets the server notice that one person joins a room twice; it is random and gone with the last tab.
 */
import { fromBase64Url, randomBytes, toBase64Url } from '../keys';

const kChannel = 'siegel-client';

export class ClientId {
  #id: string | undefined;
  #channel: BroadcastChannel | undefined;

  constructor(create: () => BroadcastChannel = () => new BroadcastChannel(kChannel)) {
    try {
      this.#channel = create();
    } catch {
      return; // storage partitioned away or forbidden: then two tabs are two clients
    }
    this.#channel.onmessage = (event: MessageEvent<unknown>) => {
      const message = event.data as { kind?: unknown; id?: unknown } | null;
      if (message?.kind === 'ask' && this.#id !== undefined) this.#channel?.postMessage({ kind: 'tell', id: this.#id });
      else if (message?.kind === 'tell' && this.#id === undefined && typeof message.id === 'string') {
        if (fromBase64Url(message.id)?.length === 16) this.#id = message.id;
      }
    };
  }

  /** Asks the other tabs for at most `waitMs`. */
  async get(waitMs = 150): Promise<string> {
    if (this.#id === undefined && this.#channel) {
      this.#channel.postMessage({ kind: 'ask' });
      for (let waited = 0; waited < waitMs && this.#id === undefined; waited += 10)
        await new Promise((done) => setTimeout(done, 10));
    }
    this.#id ??= toBase64Url(randomBytes(16));
    return this.#id;
  }

  close(): void {
    this.#channel?.close();
  }
}
