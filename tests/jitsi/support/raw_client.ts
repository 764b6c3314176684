/** Somebody who speaks XMPP by hand, straight to Prosody: what no page would do. */
import { once } from 'node:events';
import WebSocket from 'ws';

export interface RawClient {
  readonly jid: string;
  /** Called with every stanza once somebody is signed in. */
  onStanza: ((text: string) => void) | undefined;
  send(stanza: string): void;
  close(): void;
}

/** Signs in anonymously at `host`. */
export async function rawClient(port: number, host: string): Promise<RawClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/xmpp-websocket`, 'xmpp', { headers: { Host: host } });
  await once(socket, 'open');
  const heard: string[] = [];
  let wake = (): void => {};
  let client: RawClient | undefined;
  socket.on('message', (data) => {
    if (client) client.onStanza?.(String(data));
    else heard.push(String(data));
    wake();
  });
  const until = async (part: string): Promise<string> => {
    const end = Date.now() + 10_000;
    for (;;) {
      const at = heard.findIndex((text) => text.includes(part));
      if (at >= 0) return heard.splice(0, at + 1).at(-1) as string;
      if (Date.now() > end) throw new Error(`no ${part}: ${heard.join('\n')}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, 500);
      });
    }
  };
  const open = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="${host}" version="1.0"/>`;
  socket.send(open);
  await until('<mechanisms');
  socket.send('<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="ANONYMOUS"/>');
  await until('<success');
  socket.send(open);
  await until('<bind');
  socket.send('<iq type="set" id="bind" xmlns="jabber:client"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></iq>');
  const jid = /<jid>([^<]+)<\/jid>/.exec(await until('<jid>'))?.[1] as string;
  client = { jid, onStanza: undefined, send: (stanza) => socket.send(stanza), close: () => socket.terminate() };
  return client;
}
