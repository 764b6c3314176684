/**
 * Relays that the deployment names (XEP-0215), for networks that let nothing but TLS on port 443 through.
 * Errors: none; a deployment without relays has none. Threads: main.
 */
import type { XmppPort } from './types';
import { attr, child, childrenOf, x } from './xml';

const kNs = 'urn:xmpp:extdisco:2';
const kMaxServices = 8;

export async function relays(xmpp: Pick<XmppPort, 'iq'>, domain: string): Promise<RTCIceServer[]> {
  let services: ReturnType<typeof childrenOf>;
  try {
    const answer = await xmpp.iq({ to: domain, type: 'get', payload: x('services', { xmlns: kNs }), timeoutMs: 4000 });
    services = childrenOf(child(answer, 'services', kNs), 'service').slice(0, kMaxServices);
  } catch {
    return [];
  }
  const result: RTCIceServer[] = [];
  for (const one of services) {
    const type = attr(one, 'type') ?? '';
    const host = attr(one, 'host') ?? '';
    const port = attr(one, 'port') ?? '';
    const transport = attr(one, 'transport');
    if (!/^(stuns?|turns?)$/.test(type) || !/^[\w.-]{1,253}$/.test(host) || !/^\d{0,5}$/.test(port)) continue;
    const query =
      type.startsWith('turn') && transport && /^(udp|tcp)$/.test(transport) ? `?transport=${transport}` : '';
    const urls = `${type}:${host}${port ? `:${port}` : ''}${query}`;
    const username = attr(one, 'username');
    const credential = attr(one, 'password');
    if (type.startsWith('turn') && (!username || !credential)) continue;
    result.push(
      type.startsWith('turn') ? { urls, username: username as string, credential: credential as string } : { urls },
    );
  }
  return result;
}
