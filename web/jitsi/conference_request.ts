/**
 * Asks the focus for the conference, before the room is joined: only the focus may create it. By IQ, or by HTTP where the
 * deployment says so. Repeated while the focus is not there: that is what a person sees as 'requesting'.
 *
 * Source: jicofo doc/conference-request.md; the recorded request in tests/vectors/jitsi-wire. Errors: JitsiError
 * 'focus-absent', 'conference-refused', 'login-required', 'token-refused', 'room-full'. Threads: main.
 */
import { type Deployment, JitsiError, StanzaError, type XmppPort } from './types';
import { attr, child, childrenOf, type XmlElement, x } from './xml';

const kFocus = 'http://jitsi.org/protocol/focus';
const kLimitMs = 10_000;
const kRetryMs = [500, 1000, 2000, 3000];
/** So long a focus may be restarting. */
const kAbsentMs = 45_000;

export interface ConferenceRequest {
  deployment: Deployment;
  /** `room@conference.domain`. */
  room: string;
  xmpp: Pick<XmppPort, 'iq'>;
  /** Random for every call; tells nothing about the machine. */
  machineUid: string;
  token?: string | undefined;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

export interface ConferenceAnswer {
  /** Real JID of the focus, bare: only an occupant with this one is the focus. */
  focusJid: string;
}

const kProperties: Readonly<Record<string, string>> = { rtcstatsEnabled: 'false' };

class NotReady extends Error {}

function bare(jid: unknown): string | undefined {
  if (typeof jid !== 'string' || jid.length > 500) return undefined;
  const [text] = jid.split('/');
  return text && /^[^@\s<>'"&]+@[^@\s<>'"&]+$/.test(text) ? text : undefined;
}

function readAnswer(conference: XmlElement | undefined): ConferenceAnswer {
  if (!conference) throw new JitsiError('conference-refused');
  if (attr(conference, 'ready') !== 'true') throw new NotReady();
  // A visitor's node is another room, to look at only.
  if (attr(conference, 'vnode')) throw new JitsiError('room-full');
  const focusJid = bare(attr(conference, 'focusjid'));
  if (!focusJid) throw new JitsiError('conference-refused');
  return { focusJid };
}

async function byIq(request: ConferenceRequest): Promise<ConferenceAnswer> {
  const properties = Object.entries(kProperties).map(([name, value]) => x('property', { name, value }));
  const conference = x(
    'conference',
    { xmlns: kFocus, room: request.room, 'machine-uid': request.machineUid },
    ...properties,
  );
  try {
    const answer = await request.xmpp.iq({
      to: request.deployment.focus,
      type: 'set',
      payload: conference,
      timeoutMs: kLimitMs,
    });
    return readAnswer(child(answer, 'conference', kFocus));
  } catch (error) {
    if (!(error instanceof StanzaError)) throw error;
    if (error.condition === 'not-authorized') throw new JitsiError(request.token ? 'token-refused' : 'login-required');
    const details = child(error.stanza, 'error');
    if (childrenOf(details, 'reservation-error').length || error.condition === 'not-acceptable') {
      throw new JitsiError('conference-refused');
    }
    if (error.condition === 'session-invalid' || error.condition === 'forbidden') {
      throw new JitsiError('conference-refused');
    }
    // service-unavailable, remote-server-not-found, timeout, closed: nobody is there to ask, for now.
    throw new NotReady();
  }
}

async function byHttp(request: ConferenceRequest): Promise<ConferenceAnswer> {
  const url = request.deployment.conferenceRequestUrl as string;
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      headers: {
        'Content-Type': 'application/json',
        ...(request.token && { Authorization: `Bearer ${request.token}` }),
      },
      body: JSON.stringify({ room: request.room, machineUid: request.machineUid, properties: kProperties }),
      signal: AbortSignal.timeout(kLimitMs),
    });
  } catch {
    throw new NotReady();
  }
  if (response.status === 401 || response.status === 403) {
    throw new JitsiError(request.token ? 'token-refused' : 'login-required');
  }
  if (!response.ok) throw response.status >= 500 ? new NotReady() : new JitsiError('conference-refused');
  let data: unknown;
  try {
    const text = await response.text();
    data = text.length > 20_000 ? undefined : JSON.parse(text);
  } catch {
    data = undefined;
  }
  if (typeof data !== 'object' || data === null) throw new NotReady();
  const { ready, focusJid, vnode } = data as Record<string, unknown>;
  if (ready !== true && ready !== 'true') throw new NotReady();
  if (vnode) throw new JitsiError('room-full');
  const jid = bare(focusJid);
  if (!jid) throw new JitsiError('conference-refused');
  return { focusJid: jid };
}

/** Resolves when the conference is ready. `onAbsent` is called once, when it has to be waited for. */
export async function requestConference(request: ConferenceRequest, onAbsent?: () => void): Promise<ConferenceAnswer> {
  const limit = Date.now() + kAbsentMs;
  for (let attempt = 0; ; ++attempt) {
    try {
      return request.deployment.conferenceRequestUrl ? await byHttp(request) : await byIq(request);
    } catch (error) {
      if (!(error instanceof NotReady)) throw error;
    }
    if (attempt === 0) onAbsent?.();
    if (Date.now() > limit) throw new JitsiError('focus-absent');
    const wait = kRetryMs[Math.min(attempt, kRetryMs.length - 1)] as number;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      request.signal?.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
    if (request.signal?.aborted) throw new JitsiError('focus-absent');
  }
}
