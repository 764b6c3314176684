/**
 * Signed session keys. In Jitsi's protocol before lib-jitsi-meet #3110 (September 2026) the keys from which an Olm session is
 * made came unsigned: a server in the middle could put in its own. Since then they are signed with the ed25519 identity key.
 *
 * Between Siegel clients the signature is part of the protocol (`signature`, below): without one there is no session. Of other
 * clients one is checked when it is there. Their exact words for what is signed are not published outside their source; we
 * try the forms that follow from the fields, and note which one fits, to answer in the same.
 *
 * Threads: any.
 */
import type { Olm, OlmAccount } from './olm';

/** What may stand under a signature. Ours is the first. */
const kForms = ['siegel', 'joined', 'bar', 'json'] as const;
export type SignatureForm = (typeof kForms)[number];

const kSignature = /^[A-Za-z0-9+/]{86}$/;

interface Keys {
  uuid: string;
  idKey: string;
  /** Of a session-init. */
  otKey?: string | undefined;
  from: string;
  to: string;
}

function signedText(form: SignatureForm, { uuid, idKey, otKey, from, to }: Keys): string {
  switch (form) {
    case 'siegel':
      return ['siegel/1 olm keys', from, to, uuid, idKey, otKey ?? ''].join('\n');
    case 'joined':
      return `${idKey}${otKey ?? ''}`;
    case 'bar':
      return [idKey, otKey].filter(Boolean).join('|');
    case 'json':
      return JSON.stringify({ idKey, ...(otKey && { otKey }) });
  }
}

export const signKeys = (account: OlmAccount, keys: Keys, form: SignatureForm = 'siegel'): string =>
  account.sign(signedText(form, keys));

/** 'none': there is no signature; 'bad': there is one, and it fits nothing. */
export function checkKeys(
  olm: Olm,
  ed25519: string | undefined,
  keys: Keys,
  data: Readonly<Record<string, unknown>>,
): SignatureForm | 'none' | 'bad' {
  const signature = data.signature ?? data.sig;
  if (signature === undefined) return 'none';
  if (typeof signature !== 'string' || !kSignature.test(signature) || !ed25519) return 'bad';
  const utility = new olm.Utility();
  try {
    for (const form of kForms) {
      try {
        utility.ed25519_verify(ed25519, signedText(form, keys), signature);
        return form;
      } catch {
        // Not this one.
      }
    }
    return 'bad';
  } finally {
    utility.free();
  }
}
