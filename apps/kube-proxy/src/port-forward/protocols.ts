/** SPDY in the binary messages of a WebSocket (KEP-4006). */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';

/** A WebSocket whose messages begin with the number of a channel; there are two for each port of the query. */
export const channelProtocol = 'v4.channel.k8s.io';

/** SPDY, with two streams for each connection. */
export const spdyPortProtocol = 'portforward.k8s.io';
