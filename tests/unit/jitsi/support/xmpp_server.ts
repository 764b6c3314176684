/** One XMPP server over a real WebSocket, as far as a stream's life needs it: what it answers can be scripted. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

const kFeaturesBefore = (mechanisms: readonly string[]): string =>
  `<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${mechanisms.map((one) => `<mechanism>${one}</mechanism>`).join('')}</mechanisms></stream:features>`;
const kFeaturesAfter =
  "<stream:features xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><required/></bind><sm xmlns='urn:xmpp:sm:3'><optional/></sm></stream:features>";

export class XmppServer {
  readonly #server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'xmpp' });
  readonly heard: string[] = [];
  /** Addresses of the streams that were opened. */
  readonly opened: string[] = [];
  sockets: WebSocket[] = [];
  mechanisms: readonly string[] = ['ANONYMOUS'];
  /** Condition and text instead of success. */
  refuse: { condition: string; text: string } | undefined;
  /** What `<resume/>` is answered with. */
  resumes = true;
  readonly #deaf = new WeakSet<WebSocket>();
  /** Accepts no streams. */
  closed = false;
  answer: (stanza: string, socket: WebSocket) => boolean = () => false;
  #session = 0;
  #handled = 0;

  async start(): Promise<string> {
    await once(this.#server, 'listening');
    this.#server.on('connection', (socket, request) => {
      if (this.closed) {
        socket.terminate();
        return;
      }
      this.opened.push(request.url ?? '');
      this.sockets.push(socket);
      let authenticated = false;
      socket.on('message', (data) => {
        const text = String(data);
        this.heard.push(text);
        if (this.#deaf.has(socket)) return;
        const say = (what: string): void => socket.send(what);
        if (text.startsWith('<open')) {
          say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' from='meet.test' id='s'/>");
          say(authenticated ? kFeaturesAfter : kFeaturesBefore(this.mechanisms));
        } else if (text.startsWith('<auth')) {
          if (this.refuse) {
            const { condition, text: words } = this.refuse;
            say(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><${condition}/><text>${words}</text></failure>`);
            return;
          }
          authenticated = true;
          say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        } else if (text.includes('urn:ietf:params:xml:ns:xmpp-bind')) {
          const id = /id="([^"]+)"/.exec(text)?.[1];
          say(
            `<iq xmlns='jabber:client' type='result' id='${id}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>0a1b2c3d-0000@meet.test/r${++this.#session}</jid></bind></iq>`,
          );
        } else if (text.startsWith('<enable')) {
          this.#handled = 0;
          say(`<enabled xmlns='urn:xmpp:sm:3' id='sm${this.#session}' resume='true'/>`);
        } else if (text.startsWith('<resume')) {
          const previd = /previd="([^"]+)"/.exec(text)?.[1];
          if (this.resumes) say(`<resumed xmlns='urn:xmpp:sm:3' previd='${previd}' h='${this.#handled}'/>`);
          else
            say("<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>");
        } else if (text.startsWith('<r ')) {
          say(`<a xmlns='urn:xmpp:sm:3' h='${this.#handled}'/>`);
        } else if (/^<(iq|message|presence)/.test(text)) {
          ++this.#handled;
          if (this.answer(text, socket)) return;
          const ping = text.includes('urn:xmpp:ping') && /type="get"/.test(text);
          const id = /id="([^"]+)"/.exec(text)?.[1];
          if (ping) say(`<iq xmlns='jabber:client' type='result' id='${id}' from='meet.test'/>`);
        }
      });
      socket.on('close', () => {
        this.sockets = this.sockets.filter((one) => one !== socket);
      });
    });
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/xmpp-websocket`;
  }

  say(stanza: string): void {
    for (const socket of this.sockets) socket.send(stanza);
  }

  /** Answers nothing more on the lines that there are, and keeps them. */
  goDeaf(): void {
    for (const socket of this.sockets) this.#deaf.add(socket);
  }

  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
