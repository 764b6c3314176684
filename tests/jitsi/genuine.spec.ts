/**
 * Stock clients as they are on npm (lib-jitsi-meet of December 2021 and March 2022) in one conference with ours: both
 * directions decode with end-to-end encryption on, and the bridge sees nothing of ours in the clear.
 */
import { expect, test } from '@playwright/test';
import { badgeTurns, decoded, elementsOf, getsFrames, meets, press } from '../browser/support/call_page';
import type { Person } from '../browser/support/people';
import { until } from '../browser/support/until';
import {
  allSealed,
  banner,
  idOf,
  type StockClient,
  type StockPerson,
  stockDecodes,
  withConference,
} from './support/conference';

/** Frames of a stock client count from when it switched encryption on. */
const sealedAtTheEnd = (counts: Array<{ run: number; kind: string }>): boolean =>
  counts.some(({ kind, run }) => kind === 'audio' && run > 40);

const numbersOf = async (person: Person, other: { id: string }): Promise<{ keyIndex: number; generation: number }> =>
  person.page.locator('siegel-call').evaluate(
    (element, id) =>
      (
        element as unknown as {
          room: { members: Array<{ id: string; numbers: { keyIndex: number; generation: number } }> };
        }
      ).room.members.find((one) => one.id === id)?.numbers ?? { keyIndex: -1, generation: -1 },
    other.id,
  );

/** Each client with each browser; changes of keys with one of each. */
const cases: Array<[StockClient, 'chromium' | 'firefox', boolean]> = [
  ['lyno', 'chromium', false],
  ['lyno', 'firefox', true],
  ['solyd', 'chromium', true],
  ['solyd', 'firefox', false],
];

test('control: two stock clients decode each other @long', async () => {
  await withConference({ client: 'lyno' }, async (conference) => {
    const one = await conference.stock();
    const other = await conference.stock();
    // That the witness can see clear frames.
    await until(
      async () => conference.stack.witness.of(one.id).some(({ firstClear }) => firstClear > 0),
      15_000,
      () => JSON.stringify(conference.stack.witness.of(one.id)),
    );
    await one.encrypt(true);
    await other.encrypt(true);
    await stockDecodes(one, other.id);
    await stockDecodes(other, one.id);
  });
});

for (const [client, kind, changes] of cases) {
  test(`${client} and ours in ${kind}: both decode${changes ? ', also after a join and a leave' : ''}, and the bridge sees nothing of ours${(client === 'lyno') === (kind === 'firefox') ? '' : ' @long'}`, async () => {
    await withConference({ client }, async (conference) => {
      const { witness } = conference.stack;
      const ours = await conference.guest(kind);
      const id = await idOf(ours);
      const stock = await conference.stock({ encrypt: true });
      await stockDecodes(stock, id);
      await getsFrames(ours, stock, 60);
      await badgeTurns(ours, stock, 'green', 'verified');
      expect(sealedAtTheEnd(witness.of(stock.id))).toBe(true);
      allSealed(conference.stack, id);

      if (!changes) return;
      const keysOf = (of: string): number => new Set(witness.of(of).flatMap(({ keyIndexes }) => keyIndexes)).size;
      const [ourKeys, itsKeys] = [keysOf(id), keysOf(stock.id)];
      const third = await conference.guest('chromium', { media: false });
      await test.step('somebody joins: it ratchets and we follow, we take a new key and it follows', async () => {
        expect((await numbersOf(ours, stock)).generation).toBe(0);
        await until(
          async () => (await numbersOf(ours, stock)).generation > 0,
          20_000,
          () => 'the stock client has not ratcheted',
        );
        await until(
          async () => keysOf(id) > ourKeys,
          10_000,
          () => 'we took no new key',
        );
        expect(keysOf(stock.id)).toBe(itsKeys);
        await stockDecodes(stock, id);
        const { video } = await elementsOf(ours, stock);
        await getsFrames(ours, stock, 40, await decoded(ours, video));
        await getsFrames(third, stock, 40);
        await meets(third, ours);
      });
      await test.step('somebody leaves: both take new keys', async () => {
        const before = keysOf(id);
        await press(third, 'Leave call');
        await until(
          async () => keysOf(id) > before && keysOf(stock.id) > itsKeys,
          20_000,
          () => `keys: ours ${keysOf(id)}, its ${keysOf(stock.id)}`,
        );
        await stockDecodes(stock, id);
        const { video } = await elementsOf(ours, stock);
        await getsFrames(ours, stock, 40, await decoded(ours, video));
        await badgeTurns(ours, stock, 'green', 'verified');
      });
      allSealed(conference.stack, id);
    });
  });
}

test('a stock client without encryption hears nothing, until the person lets it in; then sealed again', async () => {
  await withConference({ client: 'lyno' }, async (conference) => {
    const { witness } = conference.stack;
    const ours = await conference.guest('chromium');
    const id = await idOf(ours);
    const stock: StockPerson = await conference.stock();
    await expect(banner(ours, 'without')).toContainText(stock.name);
    await badgeTurns(ours, stock, 'red', 'cannot-seal');
    // It gets our frames, and can do nothing with them; we get its, and play none.
    await until(
      async () => ((await stock.received())[`${id}:video`]?.packets ?? 0) > 100,
      20_000,
      () => 'no packets at the stock client',
    );
    expect((await stock.received())[`${id}:video`]?.frames ?? 0).toBe(0);
    allSealed(conference.stack, id);

    await test.step('let in, by an explicit act', async () => {
      await banner(ours, 'without').getByRole('button', { name: 'What can I do?' }).click();
      await ours.page.getByRole('button', { name: 'Give up encryption in this call' }).click();
      await expect(banner(ours, 'open')).toBeVisible();
      await stockDecodes(stock, id, 30);
      await badgeTurns(ours, stock, 'red', 'open-to-operator');
      expect(witness.of(id).some(({ firstClear }) => firstClear > 0)).toBe(true);
    });

    await test.step('sealed again', async () => {
      await ours.page.getByRole('button', { name: 'Seal again' }).click();
      await expect(banner(ours, 'open')).toHaveCount(0);
      witness.reset();
      await until(
        async () => witness.of(id).some(({ kind, run }) => kind === 'audio' && run > 60),
        30_000,
        () => JSON.stringify(witness.of(id)),
      );
      // Packets of the open session may still have been on their way; of the new one the first is sealed.
      const newest = witness.of(id).filter(({ run }) => run > 20);
      expect(newest.every(({ frames, sealed }) => frames === sealed)).toBe(true);
    });
  });
});

test('what a stock client’s user writes is read, and shown as not sealed @long', async () => {
  await withConference({ client: 'lyno' }, async (conference) => {
    const ours = await conference.guest('firefox');
    const stock = await conference.stock({ encrypt: true });
    await stock.page.evaluate(() =>
      (globalThis as unknown as { genuine: { say(text: string): void } }).genuine.say('from the stock page'),
    );
    await ours.page.locator('footer .open-chat').click();
    await expect(ours.page.getByText('from the stock page')).toBeVisible();
    await expect(ours.page.getByText('Sealed: only people who also use Siegel read this.')).toBeVisible();
    await ours.page.getByRole('button', { name: 'Everyone', exact: true }).click();
    await ours.page.getByPlaceholder('Message').fill('readable by all');
    await ours.page.keyboard.press('Enter');
    await until(
      async () =>
        (
          await stock.page.evaluate(
            () => (globalThis as unknown as { genuine: { state: { messages: string[][] } } }).genuine.state.messages,
          )
        ).some(([, text]) => text === 'readable by all'),
      10_000,
      () => 'the stock client did not get the message',
    );
  });
});

for (const client of ['lyno'] as const) {
  test(`our worker inside ${client}, with the untouched one and with our page @long`, async () => {
    await withConference({ client }, async (conference) => {
      const { witness } = conference.stack;
      const swapped = await conference.stock({ worker: 'siegel' });
      const stock = await conference.stock();
      const { id } = swapped;
      // Until it is switched on for the first time these clients do not use their worker at all.
      await swapped.encrypt(true);
      await stock.encrypt(true);
      await stockDecodes(stock, id);
      await stockDecodes(swapped, stock.id);
      // By now the session that was still open has ended.
      witness.reset();
      await stockDecodes(stock, id);
      allSealed(conference.stack, id);

      await test.step('with our page, which comes later: it ratchets, and everybody goes on', async () => {
        const ours = await conference.guest('chromium');
        await getsFrames(ours, swapped, 60);
        await stockDecodes(swapped, await idOf(ours));
        await ours.page.waitForTimeout(6000);
        await stockDecodes(swapped, await idOf(ours));
        await stockDecodes(swapped, stock.id);
        await badgeTurns(ours, swapped, 'green', 'verified');
      });
    });
  });
}
