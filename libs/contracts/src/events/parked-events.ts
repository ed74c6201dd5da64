import { Type } from 'typebox';
import { defineEvent } from '../define-event.ts';

/** Somebody decided that a consumer is never to handle a message it could not handle. Says who in its meta. */
export const ParkedMessageDropped = defineEvent('ParkedMessageDropped', {
  context: 'every',
  summary: 'A person dropped a message that a consumer could not handle.',
  v: 1,
  data: Type.Object({
    parkedId: Type.String(),
    consumer: Type.String(),
    stream: Type.String(),
    sequence: Type.Integer(),
    subject: Type.String(),
    /** Id of the event in the message, or empty where it holds none. */
    eventId: Type.String(),
    /** Code of the failure it was parked for. */
    code: Type.String(),
    /** Why, in the words of who dropped it. */
    reason: Type.String(),
  }),
});
