/**
 * A server that lies: what it says in others' names is refused and shown, and whatever it says, no clear frame leaves. What
 * left is taken before SRTP and judged as in tests/browser/call.spec.ts.
 */
import { expect, test } from '@playwright/test';
import { badgeTurns, decoded, meets, warns as shows, warnings } from '../browser/support/call_page';
import { withJudge } from '../browser/support/checks';
import { finishAll, type Person } from '../browser/support/people';
import { until } from '../browser/support/until';
import { judge, objections } from '../browser/wire/judge';
import type { JitsiStack } from '../servers/jitsi/stack.mjs';
import { allSealed, type Conference, idOf, withConference } from './support/conference';
import { rawClient } from './support/raw_client';

const warns = (person: Person, kind: string): Promise<void> => shows(person.name, person.page, kind, 15_000);

/** The newest presence of `id` that went down to somebody. */
const presenceOf = (stack: JitsiStack, to: string, id: string): string => {
  const found = stack.web
    .sentTo(to, '<presence')
    .filter((text) => text.includes(`/${id}'`) && text.includes('e2ee.idKey'));
  const last = found.at(-1);
  if (last === undefined) throw new Error('no presence went down');
  return last;
};

/**
 * Which streams there were, as sections of a description: Chromium writes no SSRCs of a source in several sizes, but they were
 * announced to the focus.
 */
function announced({ stack }: Conference, descriptions: readonly string[]): string[] {
  const section = descriptions
    .flatMap((text) => text.split(/^(?=m=)/m))
    .find((text) => /^a=simulcast:send/m.test(text));
  if (section === undefined) return [];
  const contents = stack.focus.log
    .filter(({ from, action }) => from !== undefined && /^(session-accept|source-add)$/.test(action))
    .flatMap(({ element }) => `${element}`.match(/<content[^>]*name=.video.*?<\/content>/gs) ?? []);
  return contents.map((content) => {
    const groups = content.match(/<ssrc-group[^>]*FID.*?<\/ssrc-group>/gs) ?? [];
    const pairs = groups.map((group) => [...group.matchAll(/ssrc=.(\d+)/g)].map(([, ssrc]) => ssrc));
    const lines = pairs.flatMap(([ssrc, rtx]) => [
      `a=ssrc-group:FID ${ssrc} ${rtx}`,
      `a=ssrc:${ssrc} x`,
      `a=ssrc:${rtx} x`,
    ]);
    return `${section}\r\n${lines.join('\r\n')}\r\n`;
  });
}

/** Nothing that anybody sent was readable, by three independent looks at every frame. */
async function nothingClear(conference: Conference): Promise<void> {
  const people = [...conference.people];
  const captures = await finishAll(people);
  conference.people.length = 0;
  await withJudge(async (page) => {
    for (const [index, person] of people.entries()) {
      const capture = captures[index] as (typeof captures)[number];
      capture.descriptions.push(...announced(conference, capture.descriptions));
      const verdict = await judge(page, person, capture);
      expect(objections(verdict), person.name).toEqual([]);
      expect(
        verdict.streams.reduce((sum, { frames }) => sum + frames, 0),
        `frames of ${person.name}`,
      ).toBeGreaterThan(100);
    }
  });
}

test('forged: encryption off, keys, acknowledgements, owners of streams', async () => {
  await withConference({}, async (conference) => {
    const { stack } = conference;
    stack.web.recordTraffic = true;
    const ada = await conference.guest('chromium');
    const bert = await conference.guest('firefox');
    await meets(ada, bert);
    await meets(bert, ada);
    await badgeTurns(ada, bert, 'green', 'verified');
    const [a, b] = [await idOf(ada), await idOf(bert)];
    expect(await warnings(ada.page)).toEqual([]);
    const room = stack.roomJid('Conference');
    const json = (from: string, data: unknown): string =>
      `<message xmlns="jabber:client" type="chat" from="${room}/${from}" to="x@meet.test"><json-message xmlns="http://jitsi.org/jitmeet">${JSON.stringify(data).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</json-message></message>`;
    const inject = (to: string, stanza: string): void => expect(stack.web.inject(to, stanza)).toBe(1);
    const goesOn = async (): Promise<void> => {
      await meets(ada, bert);
      await meets(bert, ada);
      await badgeTurns(ada, bert, 'green', 'verified');
      allSealed(stack, a);
      allSealed(stack, b);
    };

    await test.step('presence that says that encryption is off, of the other and of ourselves', async () => {
      const off = (id: string): string =>
        presenceOf(stack, id, id === a ? b : a).replace(/(e2ee\.enabled>)true/, '$1false');
      inject(a, off(a));
      await warns(ada, 'asked-clear');
      const own = stack.web
        .sentTo(b, '<presence')
        .filter((text) => text.includes("code='110'"))
        .at(-1) as string;
      inject(b, own.replace(/(e2ee\.enabled>)true/, '$1false'));
      await goesOn();
    });

    await test.step('a key that nobody sealed', async () => {
      inject(
        a,
        json(b, {
          type: 'olm',
          olm: { type: 'key-info', data: { uuid: 'f0', ciphertext: { type: 1, body: btoa('x'.repeat(120)) } } },
        }),
      );
      await warns(ada, 'forged-key');
      await goesOn();
    });

    await test.step('an acknowledgement that was sent before, word for word', async () => {
      const [to, acks] = [a, b]
        .map((id) => [id, stack.web.sentTo(id, 'session-ack')] as const)
        .find(([, texts]) => texts.length > 0) as readonly [string, string[]];
      inject(to, acks[0] as string);
      await warns(to === a ? ada : bert, 'forged-key');
      await goesOn();
    });

    await test.step('a stream of Bert said to be of somebody else', async () => {
      const accept = stack.focus.log.find(({ from, action }) => from === b && action === 'session-accept');
      const ssrc = /ssrc="?'?(\d+)/.exec(accept?.element?.toString() ?? '')?.[1];
      expect(ssrc).toBeDefined();
      await stack.focus.forgeSources(a, 'source-add', {
        '0badcafe': [[{ s: Number(ssrc), n: '0badcafe-a0', m: 'x y' }], [], [], []],
      });
      await warns(ada, 'claimed-source');
      await goesOn();
    });
    await nothingClear(conference);
  });
});

test('an identity key that changes in the middle of a call: nothing more is played of them, nothing goes to them @long', async () => {
  await withConference({}, async (conference) => {
    const { stack } = conference;
    stack.web.recordTraffic = true;
    const ada = await conference.guest('firefox');
    const bert = await conference.guest('chromium');
    await meets(ada, bert);
    await meets(bert, ada);
    const [a, b] = [await idOf(ada), await idOf(bert)];
    const before = presenceOf(stack, a, b);
    const other = Buffer.alloc(32, 7).toString('base64').replace(/=+$/, '');
    stack.web.inject(a, before.replace(/(idKey\.curve25519>)[^<]+/, `$1${other}`));
    await warns(ada, 'changed-identity');
    await badgeTurns(ada, bert, 'red', 'changed-identity');
    await until(
      async () => stack.witness.of(a).some(({ keyIndexes }) => keyIndexes.length > 1),
      10_000,
      () => 'no new key',
    );
    const frames = async (): Promise<number[]> => [
      await decoded(ada, `siegel-tile[data-member="${b}"] video`).catch(() => 0),
      await decoded(bert, `siegel-tile[data-member="${a}"] video`),
    ];
    await ada.page.waitForTimeout(1500);
    const still = await frames();
    await ada.page.waitForTimeout(2500);
    expect(await frames(), 'neither opens anything of the other').toEqual(still);
    allSealed(stack, a);
    await nothingClear(conference);
  });
});

test('a hidden participant who asks for keys is listed and said @long', async () => {
  await withConference({}, async (conference) => {
    const { stack } = conference;
    const ada = await conference.guest('chromium');
    const spy = await rawClient(stack.ports.xmpp as number, `recorder.${stack.domain}`);
    try {
      const key = Buffer.alloc(32, 9).toString('base64').replace(/=+$/, '');
      spy.send(
        `<presence xmlns="jabber:client" to="${stack.roomJid('Conference')}/5p7c4b1d"><x xmlns="http://jabber.org/protocol/muc"/><nick xmlns="http://jabber.org/protocol/nick">Jibri</nick><features><feature var="https://jitsi.org/meet/e2ee"/></features><jitsi_participant_e2ee.enabled>true</jitsi_participant_e2ee.enabled><jitsi_participant_e2ee.idKey.curve25519>${key}</jitsi_participant_e2ee.idKey.curve25519></presence>`,
      );
      await warns(ada, 'hidden-listener');
      await expect(ada.page.locator('siegel-tile', { hasText: 'Jibri' })).toHaveCount(1);
    } finally {
      spy.close();
    }
    await expect(ada.page.locator('siegel-tile', { hasText: 'Jibri' })).toHaveCount(0, { timeout: 15_000 });
  });
});
