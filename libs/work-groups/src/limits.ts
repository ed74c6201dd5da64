/** What a run may leave as its result, in characters of JSON: enough to say what was done, too little to carry what was found. */
export const maxResultLength = 48 * 1024;

/** What a member may say about a failure, in characters. */
export const maxReasonLength = 1_000;
