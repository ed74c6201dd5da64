/** The version of every Postern binary and of the control plane's answers, without a leading `v`. */
export const version = '0.1.0';
