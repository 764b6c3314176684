/**
 * Calls over the real page and the real server. Each ends in Call.finish(), which judges everything that left every page
 * (docs/testing.md) and looks for traces; so "no clear frame" is checked in every test here.
 */
import { expect, test } from '@playwright/test';
import { Call, callView, withOtherSecret } from './support/call';
import {
  badgeOf,
  badgeTurns,
  decoded,
  elementsOf,
  getsFrames,
  meets,
  openedFrames,
  press,
  tileOf,
} from './support/call_page';
import { hears, listen } from './support/checks';
import type { BrowserKind, Person } from './support/people';
import { until } from './support/until';
import { splitSealed } from './wire/judge';
import { KeyBook } from './wire/open_with_keys';

test.describe.configure({ timeout: 300_000 });

/** Runs a call; whatever happens, its browsers and server end. */
async function inCall(work: (call: Call) => Promise<void>): Promise<void> {
  const call = await Call.start();
  try {
    await work(call);
  } catch (error) {
    await call.attachViews();
    throw error;
  } finally {
    await call.abandon();
  }
}

async function everybodyMeets(people: readonly Person[]): Promise<void> {
  await Promise.all(
    people.map(async (person) => {
      const others = people.filter((other) => other !== person);
      for (const other of others) await meets(person, other);
      for (const other of others) await getsFrames(person, other);
    }),
  );
}

const kPairs: [BrowserKind, BrowserKind][] = [
  ['chromium', 'chromium'],
  ['chromium', 'firefox'],
];

for (const [one, two] of kPairs) {
  test(`${one} ↔ ${two}: seen, heard, measured, sealed`, async () => {
    await inCall(async (call) => {
      const ada = await call.add(one);
      const bert = await call.add(two);
      await call.join(ada);
      await call.join(bert);
      await everybodyMeets([ada, bert]);
      for (const [person, other] of [
        [ada, bert],
        [bert, ada],
      ] as const) {
        await badgeTurns(person, other, 'green', 'verified');
        await expect(person.page.locator('siegel-badge[data-call]')).toHaveAttribute('data-level', 'green');
        const { opened, rejected } = await openedFrames(person, other);
        expect(opened, 'frames the badge stands on').toBeGreaterThan(150);
        // The first frames may come before their key; none may fail to verify.
        expect(rejected).toMatch(/^(0|[0-9]+ no key)$/);
      }
      const finished = await call.finish();
      for (const { streams } of finished) {
        expect(streams.find(({ kind }) => kind === 'video')?.frames.length).toBeGreaterThan(100);
        expect(streams.find(({ kind }) => kind === 'audio')?.frames.length).toBeGreaterThan(150);
      }
    });
  });
}

test('microphone, camera, screen, leaving', async () => {
  await inCall(async (call) => {
    const ada = await call.add('chromium');
    const bert = await call.add('chromium');
    await call.join(ada);
    await call.join(bert);
    await meets(bert, ada);
    const elements = await elementsOf(bert, ada);

    await press(ada, 'Mute microphone');
    await expect(tileOf(bert, ada).getByRole('img', { name: 'Microphone is muted' })).toBeVisible();
    await until(
      async () => (await listen(bert, elements.audio)).rms < 0.003,
      8000,
      () => 'the muted microphone is heard',
    );
    await press(ada, 'Unmute microphone');
    await hears(bert, ada, elements);

    await press(ada, 'Turn camera off');
    await expect(tileOf(bert, ada).locator('video')).toHaveCount(0);
    await press(ada, 'Turn camera on');
    await expect(tileOf(bert, ada).locator('video')).toHaveCount(1);
    await meets(bert, ada);

    await press(ada, 'Share screen');
    const screen = bert.page.locator('siegel-tile[screen]').filter({ hasText: `${ada.name}: screen` });
    await expect(screen.locator('video')).toHaveCount(1, { timeout: 10_000 });
    const id = await screen.getAttribute('data-member');
    await until(
      async () => (await decoded(bert, `siegel-tile[screen][data-member="${id}"] video`)) > 5,
      20_000,
      () => 'the shared screen shows nothing',
    );
    await badgeTurns(bert, ada, 'green', 'verified');
    await ada.page.getByRole('button', { name: 'Stop sharing' }).first().click();
    await expect(screen).toHaveCount(0);

    await call.look(ada);
    await press(ada, 'Leave call');
    await expect(tileOf(bert, ada)).toHaveCount(0);
    await expect(bert.page.locator('siegel-badge[data-call]')).toHaveAttribute('data-cause', 'alone');
    const live = await ada.page.evaluate(() => ({
      connections: siegelProbe.peers.filter(({ connectionState }) => connectionState !== 'closed').length,
      elements: siegelProbe.elements().length,
    }));
    expect(live, 'nothing of the call is left in the page').toEqual({ connections: 0, elements: 0 });
    await call.finish();
  });
});

test('three people; a newcomer cannot open what was before, a leaver not what comes after', async () => {
  await inCall(async (call) => {
    const ada = await call.add('chromium');
    const bert = await call.add('chromium');
    const cleo = await call.add('firefox');
    await call.join(ada);
    await call.join(bert);
    await meets(ada, bert);
    await meets(bert, ada);
    await getsFrames(bert, ada, 60);
    await call.toLobby(cleo);
    const beforeJoin = { ada: ada.mark(), bert: bert.mark() };
    await press(cleo, 'Join now');
    await expect(callView(cleo)).toBeVisible();
    await everybodyMeets([ada, bert, cleo]);
    for (const person of call.people)
      for (const other of call.people) if (other !== person) await badgeTurns(person, other, 'green', 'verified');

    await call.look(bert);
    await press(bert, 'Leave call');
    const left = ada.mark();
    for (const person of [ada, cleo]) {
      await expect(tileOf(person, bert)).toHaveCount(0);
      await expect(person.page.locator('[data-banner="may-listen"]')).toHaveCount(0, { timeout: 15_000 });
      await badgeTurns(person, person === ada ? cleo : ada, 'green', 'verified');
    }
    const switched = ada.mark();
    await getsFrames(cleo, ada, 60, await decoded(cleo, (await elementsOf(cleo, ada)).video));
    const finished = await call.finish();

    const [fromAda, fromBert, fromCleo] = finished;
    const sent = (each: typeof fromAda) => (each?.streams ?? []).flatMap(({ frames }) => frames);
    const received = (who: typeof fromAda, sender: typeof fromAda) => {
      const id = sender?.keys.find(({ usage }) => usage === 'send')?.participant;
      const keys = (who?.keys ?? []).filter(({ usage, participant }) => usage === 'receive' && participant === id);
      expect(keys.length, 'keys handed over').toBeGreaterThan(0);
      return new KeyBook(keys);
    };
    for (const [sender, mark] of [
      [fromAda, beforeJoin.ada],
      [fromBert, beforeJoin.bert],
    ] as const) {
      const cleos = received(fromCleo, sender);
      const earlier = sent(sender).filter(({ at }) => at <= mark);
      const later = sent(sender).filter(({ at }) => at > mark);
      expect(earlier.length, 'frames before the newcomer').toBeGreaterThan(100);
      expect(earlier.filter((frame) => cleos.open(frame) !== null)).toHaveLength(0);
      expect(later.filter((frame) => cleos.open(frame) !== null).length).toBeGreaterThan(100);
    }
    const berts = received(fromBert, fromAda);
    const afterSwitch = sent(fromAda).filter(({ at }) => at > switched);
    expect(afterSwitch.length, 'frames after the new key').toBeGreaterThan(50);
    expect(afterSwitch.filter((frame) => berts.open(frame) !== null)).toHaveLength(0);
    expect(sent(fromAda).filter((frame) => frame.at <= left && berts.open(frame) !== null).length).toBeGreaterThan(100);
    const window = sent(fromAda).filter((frame) => frame.at > left && berts.open(frame) !== null);
    const exposure = Math.max(0, ...window.map(({ at }) => at - left));
    console.log(`  a leaver could open ${window.length} more frames, for ${exposure.toFixed(0)} ms`);
    expect(exposure).toBeLessThan(5000);
  });
});

test('another secret for the same room: nothing is decoded, the badge is red', async () => {
  await inCall(async (call) => {
    const ada = await call.add('chromium');
    const mallory = await call.add('chromium');
    await call.join(ada);
    await ada.page.evaluate(() => siegelProbe.watch('tile', 'siegel-tile:not([own])'));
    await ada.page.evaluate(() => siegelProbe.watch('red', 'siegel-badge[data-level="red"]:not([data-call])'));
    await call.join(mallory, withOtherSecret(call.link));
    const nobody = { name: 'Someone' };
    for (const person of [ada, mallory]) {
      await badgeTurns(person, nobody, 'red', 'other-link');
      await expect(person.page.locator('siegel-badge[data-call]')).toHaveAttribute('data-level', 'red');
      await expect(tileOf(person, nobody).locator('video')).toHaveCount(0);
    }
    const { tile, red } = await ada.page.evaluate(() => siegelProbe.firstSeen as { tile: number; red: number });
    console.log(`  red ${(red - tile).toFixed(0)} ms after the stranger appeared`);
    expect(red - tile).toBeLessThan(1000);
    // Long enough for frames to come if any did.
    await expect(badgeOf(ada, nobody)).toHaveAttribute('data-cause', 'other-link');
    for (const person of [ada, mallory]) expect(await person.page.evaluate(() => siegelProbe.inbound())).toEqual([]);
    const finished = await call.finish();
    for (const { streams } of finished) expect(streams, 'nothing was sent to a stranger').toEqual([]);
  });
});

for (const kind of ['chromium', 'firefox'] as const) {
  test(`${kind}: frames that do not verify are not played, and the badge is red within a second`, async () => {
    await inCall(async (call) => {
      const ada = await call.add('chromium');
      const bert = await call.add(kind);
      await call.join(ada);
      await call.toLobby(bert);
      // Bert's engine gets every key of others with one bit wrong.
      await bert.page.evaluate(() => {
        const change = (value: unknown): void => {
          if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
          const { usage, material } = value as { usage?: unknown; material?: unknown };
          if (usage === 'receive' && material instanceof Uint8Array) material[7] = (material[7] ?? 0) ^ 1;
          for (const inner of Object.values(value)) change(inner);
        };
        siegelProbe.tamper = change;
        siegelProbe.watch('red', 'siegel-badge[data-level="red"]');
        siegelProbe.watchFrames();
      });
      await press(bert, 'Join now');
      await badgeTurns(bert, ada, 'red', 'rejected');
      await expect(bert.page.locator('siegel-badge[data-call]')).toHaveAttribute('data-level', 'red');
      const times = await bert.page.evaluate(() => siegelProbe.firstSeen);
      const delay = times.red! - times.frames!;
      console.log(`  ${kind}: red ${delay.toFixed(0)} ms after the first frame`);
      expect(delay).toBeLessThan(1000);
      // The other direction is whole; Bert's badge for Ada stays red meanwhile.
      await meets(ada, bert);
      await getsFrames(ada, bert, 60);
      await badgeTurns(ada, bert, 'green', 'verified');
      await badgeTurns(bert, ada, 'red', 'rejected');
      const { opened, rejected } = await openedFrames(bert, ada);
      expect(opened).toBe(0);
      expect(rejected).toMatch(/[1-9][0-9,]* not verified/);
      const arrived = (await bert.page.evaluate(() => siegelProbe.inbound())).filter(({ packets }) => packets > 0);
      expect(arrived.filter(({ kind }) => kind === 'video').length, 'video did arrive').toBeGreaterThan(0);
      for (const { framesDecoded } of arrived) expect(framesDecoded).toBe(0);
      const heard = await listen(bert, (await elementsOf(bert, ada)).audio);
      expect(heard.rms).toBeLessThan(0.003);
      await call.finish();
    });
  });
}

for (const [kind, how] of [
  ['chromium', 'terminated'],
  ['chromium', 'closes itself'],
  ['firefox', 'terminated'],
] as const) {
  test(`${kind}: the worker dies mid-call (${how}): media stops, and it shows within a second`, async () => {
    await inCall(async (call) => {
      const ada = await call.add('chromium');
      const bert = await call.add(kind);
      await call.join(ada);
      await call.join(bert);
      await meets(ada, bert);
      await meets(bert, ada);
      await call.look(bert);
      await bert.page.evaluate(() => siegelProbe.watch('shown', 'siegel-notice[data-kind="worker-died"]'));
      await bert.page.evaluate(() => siegelProbe.watch('red', 'siegel-badge[data-call][data-level="red"]'));
      let killed: number;
      if (how === 'terminated') {
        killed = await bert.page.evaluate(() => {
          for (const worker of siegelProbe.workers) worker.terminate();
          return performance.now();
        });
      } else {
        const workers = bert.page.workers();
        expect(workers.length).toBeGreaterThan(0);
        killed = await bert.page.evaluate(() => performance.now());
        for (const worker of workers) await worker.evaluate(() => self.close()).catch(() => undefined);
      }
      await expect(bert.page.locator('siegel-notice[data-kind="worker-died"]')).toBeVisible({ timeout: 5000 });
      await expect(bert.page.locator('siegel-badge[data-call]')).toHaveAttribute('data-level', 'red');
      const { shown, red } = await bert.page.evaluate(() => siegelProbe.firstSeen as { shown: number; red: number });
      console.log(
        `  ${kind}: shown ${(shown - killed).toFixed(0)} ms, red ${(red - killed).toFixed(0)} ms after the end`,
      );
      expect(Math.max(shown, red) - killed).toBeLessThan(1000);
      // Nothing is played any more, and nothing leaves.
      const playing = await bert.page.evaluate(
        () =>
          siegelProbe.elements().filter(({ srcObject }) => srcObject instanceof MediaStream && srcObject.active).length,
      );
      expect(playing, 'only the own picture may still play').toBeLessThanOrEqual(1);
      const mark = bert.mark();
      await expect(badgeOf(ada, bert)).not.toHaveAttribute('data-level', 'green', { timeout: 10_000 });
      await call.look(ada);
      const finished = await call.finish();
      const late = finished[1]?.streams.flatMap(({ frames }) => frames).filter(({ at }) => at > mark + 300);
      expect(late, 'frames after the end').toEqual([]);
    });
  });
}

test('a far side without key: every encoded frame it gets is sealed, its decoder shows nothing', async () => {
  await inCall(async (call) => {
    const ada = await call.add('chromium');
    const eve = await call.add('chromium');
    // Eve's receivers get a transform of the test's in place of the engine's.
    await eve.context.addInitScript(() => {
      const Native = globalThis.RTCRtpScriptTransform;
      const frames: unknown[] = [];
      Object.assign(globalThis, { tapped: frames });
      let tap: Worker | undefined;
      globalThis.RTCRtpScriptTransform = class extends Native {
        constructor(worker: Worker, options?: unknown, transfer?: Transferable[]) {
          if (!JSON.stringify(options ?? {}).includes('receive')) {
            super(worker, options as never, transfer as never);
            return;
          }
          tap ??= new Worker('/tests/tap/tap.entry.js', { type: 'module' });
          tap.onmessage ??= ({ data }) => {
            if (frames.length < 2000) frames.push({ ...data, bytes: Array.from(data.bytes as Uint8Array) });
          };
          super(tap, {});
        }
      };
    });
    await call.join(ada);
    await call.join(eve);
    await meets(ada, eve);
    type Tapped = { kind: 'audio' | 'video'; ssrc: number; timestamp: number; bytes: number[] };
    let tapped: Tapped[] = [];
    const of = (kind: string) => tapped.filter((frame) => frame.kind === kind);
    await until(
      async () => {
        tapped = await eve.page.evaluate(() => (globalThis as unknown as { tapped: never[] }).tapped);
        return of('video').length > 60 && of('audio').length > 100;
      },
      30_000,
      () => `only ${of('video').length} video and ${of('audio').length} audio frames reached the tap`,
      500,
    );
    for (const { kind, ssrc, timestamp, bytes } of tapped) {
      if (bytes.length === 0) continue;
      const codec = kind === 'audio' ? ('opus' as const) : ('vp8' as const);
      const parts = splitSealed({ kind, codec, ssrc, timestamp, at: 0, bytes: Uint8Array.from(bytes) });
      expect(typeof parts, `${kind} frame: ${typeof parts === 'string' ? parts : ''}`).toBe('object');
    }
    for (const { kind, framesDecoded } of await eve.page.evaluate(() => siegelProbe.inbound()))
      if (kind === 'video') expect(framesDecoded, 'decoded without key').toBe(0);
    const heard = await listen(eve, (await elementsOf(eve, ada)).audio);
    expect(heard.shares[ada.index] ?? 0, 'the tone without key').toBeLessThan(0.3);
    await call.finish();
  });
});
