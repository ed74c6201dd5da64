import type { Channel } from './command-end.ts';

/** A WebSocket subprotocol of exec and attach: each message begins with the number of its channel. */
export interface CommandProtocol {
  /** Messages are text: the number as a digit, then base64. */
  readonly isBase64: boolean;
  /** Whether the end of a single channel can be told. */
  readonly closesChannels: boolean;
}

/**
 * The subprotocols that are understood (k8s.io/apimachinery, remotecommand). Older ones have no Status at the end of a command,
 * so that nobody could tell how it ended; they are refused.
 */
export const websocketProtocols: Readonly<Record<string, CommandProtocol>> = {
  'v5.channel.k8s.io': { isBase64: false, closesChannels: true },
  'v4.channel.k8s.io': { isBase64: false, closesChannels: false },
  'v4.base64.channel.k8s.io': { isBase64: true, closesChannels: false },
};

/** The channels by their numbers. */
export const channelNumbers: readonly Channel[] = ['stdin', 'stdout', 'stderr', 'error', 'resize'];

/** The channel of a message that says that another channel has ended (v5). */
export const closeChannel = 255;
