/**
 * A call without any of the product's code: two pages, one RTCPeerConnection each, no transform. What it sends is clear
 * inside SRTP; the judge must say so, or its word about the product is worth nothing.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Person } from './people';

export interface BlankSite {
  url: string;
  close(): Promise<void>;
}

/** An empty page on localhost. */
export async function startBlankSite(): Promise<BlankSite> {
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end('<!doctype html><html lang="en"><title>blank</title><link rel="icon" href="data:,"></html>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Connects the pages of two people, who must be on a blank site. Resolves when both sides are connected. */
export async function plainCall(caller: Person, callee: Person): Promise<void> {
  const prepare = () => {
    const peer = new RTCPeerConnection();
    peer.addEventListener('track', ({ track, streams }) => {
      const element = document.createElement(track.kind as 'audio' | 'video');
      element.muted = track.kind === 'video';
      element.autoplay = true;
      element.srcObject = streams[0] ?? new MediaStream([track]);
      document.body.append(element);
      void element.play();
    });
  };
  const addMedia = async () => {
    const peer = siegelProbe.peers[0]!;
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of media.getTracks()) peer.addTrack(track, media);
  };
  const gathered = async () => {
    const peer = siegelProbe.peers[0]!;
    while (peer.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 20));
    return { type: peer.localDescription!.type, sdp: peer.localDescription!.sdp };
  };
  for (const { page } of [caller, callee]) {
    await page.evaluate(prepare);
    await page.evaluate(addMedia);
  }
  await caller.page.evaluate(() => siegelProbe.peers[0]!.setLocalDescription());
  const offer = await caller.page.evaluate(gathered);
  await callee.page.evaluate(async (description) => {
    const peer = siegelProbe.peers[0]!;
    await peer.setRemoteDescription(description);
    await peer.setLocalDescription();
  }, offer);
  const answer = await callee.page.evaluate(gathered);
  await caller.page.evaluate((description) => siegelProbe.peers[0]!.setRemoteDescription(description), answer);
  for (const { page } of [caller, callee])
    await page.waitForFunction(() => siegelProbe.peers[0]?.connectionState === 'connected', undefined, {
      timeout: 10_000,
    });
}
