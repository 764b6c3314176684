import { describe, expect, it } from 'vitest';
import { addressText, parseAddress, roomName } from '../../../web/jitsi/address';
import { readDeployment, stockDeployment } from '../../../web/jitsi/config';
import { JitsiError } from '../../../web/jitsi/types';
import { configText } from '../../servers/jitsi/stack.mjs';

const problem = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof JitsiError ? error.problem : String(error);
  }
  return 'none';
};

describe('addresses', () => {
  it('reads what people type and paste', () => {
    expect(parseAddress(' meet.example/Room ')).toEqual({
      origin: 'https://meet.example',
      base: '',
      room: 'Room',
      roomName: 'room',
    });
    expect(parseAddress('https://meet.example/tenant/My%20Room?jwt=a.b.c#config.e2ee=1')).toEqual({
      origin: 'https://meet.example',
      base: '/tenant',
      room: 'My Room',
      roomName: 'myroom',
      token: 'a.b.c',
    });
    expect(parseAddress('http://127.0.0.1:8000/r').origin).toBe('http://127.0.0.1:8000');
    expect(roomName('Größe')).toBe('gr%c3%b6%c3%9fe');
  });

  it('never gives a token back in a link', () => {
    expect(addressText(parseAddress('https://meet.example/R?jwt=secret'))).toBe('https://meet.example/R');
  });

  it('refuses what is no room', () => {
    for (const text of [
      '',
      'meet.example',
      'https://meet.example/',
      'javascript:alert(1)',
      'https://u:p@meet.example/r',
    ])
      expect(
        problem(() => parseAddress(text)),
        text,
      ).toBe('bad-address');
    expect(problem(() => parseAddress('http://meet.example/r'))).toBe('insecure-server');
    expect(problem(() => parseAddress(`https://meet.example/${'r'.repeat(5000)}`))).toBe('bad-address');
    expect(problem(() => parseAddress('https://meet.example/%zz'))).toBe('bad-address');
  });
});

describe('config.js', () => {
  const address = parseAddress('https://meet.example/room');

  it.each(['debian', 'docker'] as const)('reads the shape of %s', (shape) => {
    const text = configText({
      domain: 'meet.example',
      origin: 'https://meet.example',
      shape,
      http: true,
      bosh: true,
      websocket: true,
    });
    expect(readDeployment(text, address)).toMatchObject({
      domain: 'meet.example',
      mucDomain: 'conference.meet.example',
      focus: 'focus.meet.example',
      websocket: 'wss://meet.example/xmpp-websocket',
      bosh: 'https://meet.example/http-bind',
      conferenceRequestUrl: 'https://meet.example/conference-request/v1',
    });
  });

  it('reads relative and protocol-relative addresses, full JIDs, and an anonymous domain', () => {
    const text = `var config = { hosts: { domain: 'meet.example', anonymousdomain: "guest.meet.example",
      muc: 'conference.<!--# echo var="subdomain" default="" -->meet.example', focus: 'focus@auth.meet.example/focus' },
      bosh: '//meet.example/http-bind', websocket: 'wss://meet.example/xmpp-websocket' }`;
    expect(readDeployment(text, address)).toMatchObject({
      anonymousDomain: 'guest.meet.example',
      focus: 'focus@auth.meet.example/focus',
      bosh: 'https://meet.example/http-bind',
    });
  });

  it('runs nothing', () => {
    const text = `globalThis.ran = true; (function () { globalThis.ran = true })(); var config = { hosts: { domain: 'a.b',
      get muc() { globalThis.ran = true; return 'evil' } }, bosh: (() => { globalThis.ran = true; return '/x' })() || '/http-bind' }`;
    expect(readDeployment(text, address).bosh).toBe('https://meet.example/http-bind');
    expect(Object.hasOwn(globalThis, 'ran')).toBe(false);
  });

  it('takes no plain address from a page with TLS, no other scheme, no credentials', () => {
    for (const bosh of ['http://meet.example/http-bind', 'javascript:1', 'https://u:p@meet.example/', 'data:,x'])
      expect(
        problem(() => readDeployment(`var config={hosts:{domain:'a.b'},bosh:'${bosh}'}`, address)),
        bosh,
      ).toBe('bad-config');
  });

  it('lets no deployment elsewhere name a port of this computer', () => {
    const text = `var config={hosts:{domain:'a.b'},websocket:'ws://127.0.0.1:9/x',bosh:'http://localhost:9/b'}`;
    expect(problem(() => readDeployment(text, address))).toBe('bad-config');
    expect(readDeployment(text, parseAddress('http://127.0.0.1:8000/room')).websocket).toBe('ws://127.0.0.1:9/x');
  });

  it('refuses names that are none, and does not touch Object', () => {
    expect(problem(() => readDeployment(`var config={hosts:{domain:'a b"'},bosh:'/b'}`, address))).toBe('bad-config');
    readDeployment(
      `var config={hosts:{domain:'a.b','__proto__':{x:1}},bosh:'/b',constructor:{prototype:{x:1}}}`,
      address,
    );
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('tells a page that is no deployment from one whose file says too little', () => {
    expect(problem(() => readDeployment('<!doctype html><title>x</title>', address))).toBe('not-jitsi');
    expect(problem(() => readDeployment('var other = 1', address))).toBe('not-jitsi');
    expect(problem(() => readDeployment('var config = {}', address))).toBe('bad-config');
    expect(problem(() => readDeployment(`var config=${'['.repeat(3000)}${']'.repeat(3000)}`, address))).toMatch(
      /bad-config|not-jitsi/,
    );
  });

  it('assumes the stock layout where nothing can be read', () => {
    expect(stockDeployment(address).websocket).toBe('wss://meet.example/xmpp-websocket');
  });
});
