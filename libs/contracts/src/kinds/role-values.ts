import { messageOf } from '@postern/core';
import { compilePattern } from '../language/pattern.ts';
import { isTemplate, parseTemplate } from '../language/template.ts';
import { InvalidResource } from './fields.ts';

/** Refuses what is neither a pattern nor, where it holds `{{`, a template of one. */
export function checkPattern(text: string, path: string): void {
  try {
    if (!isTemplate(text)) {
      compilePattern(text);
      return;
    }
    const { prefix, suffix } = parseTemplate(text);
    compilePattern(`${prefix}x${suffix}`);
  } catch (error) {
    throw InvalidResource.from(error, `${path}: ${messageOf(error)}`);
  }
}

/** Refuses a name that cannot become one Impersonate-User or Impersonate-Group header line as it is. */
export function checkPrincipal(text: string, path: string): void {
  if (isTemplate(text)) checkPattern(text, path);
  else if (!isPrincipalName(text)) {
    throw InvalidResource(`${path}: ${JSON.stringify(text.slice(0, 100))} cannot be a Kubernetes name`);
  }
}

/** Whether a text can stand in an impersonation header unchanged: one line, no outer blanks, nothing hidden. */
export function isPrincipalName(text: string): boolean {
  return (
    text !== '' && text.length <= 1024 && text.trim() === text && text.isWellFormed() && !/\p{Cc}/u.test(text)
  );
}
