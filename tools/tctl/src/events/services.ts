import type { EventService } from '@postern/client';

/** The services that record events, each with events and parked messages of its own. */
export const eventServices: readonly EventService[] = ['join', 'resource', 'inventory'];
