/**
 * Messages to devices, and what is known about them. Everything in here is about the question who really holds a key.
 */

import type { OlmEncryptionInfo } from 'matrix-js-sdk/lib/crypto-api';
import {
  ClientEvent,
  type MatrixClient,
  type MatrixEvent,
  type ReceivedToDeviceMessage,
} from 'matrix-js-sdk/lib/matrix';
import type { Trust } from '../call';
import { isPassing, problemOf } from './errors';
import { type Device, deviceKey, type KeyContent, type KeyTransport, kKeyEvent } from './media_keys';

/** When a sender that is not known yet is looked for: at once, and again after these. */
const kProveMs = [0, 1000, 3000, 10_000, 30_000];
const kMaxWaiting = 100;

export interface KeyMessage {
  userId: string;
  /** Undefined in a widget: the host opened the message and does not say by whose device it was sealed. */
  deviceId: string | undefined;
  content: unknown;
}

export interface DeviceMessages extends KeyTransport {
  /** Key messages that came encrypted, with their proven sender. */
  listen(onKey: (message: KeyMessage) => void): () => void;
}

/** Over our own Olm sessions. */
export class ClientDeviceMessages implements DeviceMessages {
  constructor(private readonly client: MatrixClient) {}

  async send(content: KeyContent, to: readonly Device[]): Promise<Device[]> {
    const crypto = this.client.getCrypto();
    if (!crypto) return [...to];
    const sealed = new Map<string, Map<string, Record<string, unknown>>>();
    let type = 'm.room.encrypted';
    const seal = async (devices: Device[]): Promise<void> => {
      const batch = await crypto.encryptToDeviceMessages(kKeyEvent, devices, { ...content });
      type = batch.eventType;
      for (const { userId, deviceId, payload } of batch.batch) {
        const devicesOf = sealed.get(userId) ?? new Map();
        sealed.set(userId, devicesOf.set(deviceId, payload));
      }
    };
    const isMissing = ({ userId, deviceId }: Device) => !sealed.get(userId)?.has(deviceId);
    await seal([...to]).catch(async (error: unknown) => {
      // A homeserver that does not answer would be asked once more for each device, one after the other.
      if (isPassing(problemOf(error))) throw error;
      // One device without one-time keys must not keep the others from their message.
      await Promise.allSettled(to.map((device) => seal([device])));
    });
    const missing = to.filter(isMissing);
    if (sealed.size > 0) await this.client.sendToDevice(type, sealed);
    return missing;
  }

  listen(onKey: (message: KeyMessage) => void): () => void {
    let open = true;
    let waiting = 0;
    const listener = async (received: ReceivedToDeviceMessage): Promise<void> => {
      const { type, sender } = received.message;
      // Else sent in clear, by the homeserver or whoever controls it.
      if (type !== kKeyEvent || !received.encryptionInfo || received.encryptionInfo.sender !== sender) return;
      // A key comes once. The list of devices may lag behind it, or the homeserver be away.
      for (const wait of kProveMs) {
        if (wait > 0) {
          if (waiting >= kMaxWaiting) return;
          waiting++;
          await new Promise((resolve) => setTimeout(resolve, wait));
          waiting--;
        }
        const message = open ? await this.#prove(received, received.encryptionInfo) : undefined;
        if (!open) return;
        if (!message) continue;
        onKey(message);
        return;
      }
    };
    const onMessage = (received: ReceivedToDeviceMessage): void => void listener(received);
    this.client.on(ClientEvent.ReceivedToDeviceMessage, onMessage);
    return () => {
      open = false;
      this.client.off(ClientEvent.ReceivedToDeviceMessage, onMessage);
    };
  }

  /** The device whose Curve25519 key the Olm session belongs to. Nothing that the message says of itself counts. */
  async #prove(
    { message }: ReceivedToDeviceMessage,
    { sender: userId, senderCurve25519KeyBase64: key }: OlmEncryptionInfo,
  ): Promise<KeyMessage | undefined> {
    try {
      const devices = await this.client.getCrypto()?.getUserDeviceInfo([userId], true);
      for (const device of devices?.get(userId)?.values() ?? [])
        if (device.getIdentityKey() === key) return { userId, deviceId: device.deviceId, content: message.content };
    } catch {
      // Without the list of devices nothing is proven.
    }
    return undefined;
  }
}

/** Through the client that hosts this widget: it does the Olm part, and has its own rules for whom it believes. */
export class WidgetDeviceMessages implements DeviceMessages {
  constructor(private readonly client: MatrixClient) {}

  async send(content: KeyContent, to: readonly Device[]): Promise<Device[]> {
    await this.client.encryptAndSendToDevice(kKeyEvent, [...to], { ...content });
    return [];
  }

  listen(onKey: (message: KeyMessage) => void): () => void {
    const listener = (event: MatrixEvent): void => {
      const userId = event.getSender();
      // The SDK marks what the host says came encrypted.
      if (event.getType() !== kKeyEvent || !event.isEncrypted() || !userId) return;
      onKey({ userId, deviceId: undefined, content: event.getContent() });
    };
    this.client.on(ClientEvent.ToDeviceEvent, listener);
    return () => void this.client.off(ClientEvent.ToDeviceEvent, listener);
  }
}

/** What is known about a device; undefined where only the host knows (widget). Never rejects. */
export async function trustOf(client: MatrixClient, { userId, deviceId }: Device): Promise<Trust | undefined> {
  const crypto = client.getCrypto();
  if (!crypto) return undefined;
  try {
    const user = await crypto.getUserVerificationStatus(userId);
    if (user.needsUserApproval || (user.wasCrossSigningVerified() && !user.isCrossSigningVerified())) return 'changed';
    const device = await crypto.getDeviceVerificationStatus(userId, deviceId);
    if (!device) return 'unverified';
    if (device.localVerified || device.isVerified()) return 'verified';
    if (!device.signedByOwner) return 'unverified';
    return user.isCrossSigningVerified() ? 'verified' : 'known';
  } catch {
    return 'unverified';
  }
}

/** Devices of these people that are known by now. Never rejects. */
export async function knownDevices(client: MatrixClient, users: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  try {
    const devices = await client.getCrypto()?.getUserDeviceInfo([...users], true);
    for (const [userId, list] of devices ?? [])
      for (const deviceId of list.keys()) found.add(deviceKey({ userId, deviceId }));
  } catch {
    // Then every device counts as new.
  }
  return found;
}
