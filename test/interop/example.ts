import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../platform.ts';

/** Finds the examples of a page by how they begin or what is in them. */
export function examplesOf(page: string, language = 'sh'): (like: RegExp) => string {
  const blocks = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm');
  const examples = [...readFileSync(join(root, page), 'utf8').matchAll(blocks)].map(([, text = '']) => text);
  return (like) => {
    const found = examples.find((text) => like.test(text));
    if (found === undefined) throw new Error(`${page} has no example like ${String(like)}`);
    return found;
  };
}

/** An example with what is particular to a reader put in; each must be there. */
export function filled(text: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((before, [placeholder, value]) => {
    if (!before.includes(placeholder)) throw new Error(`the example has no ${placeholder}`);
    return before.replaceAll(placeholder, value);
  }, text);
}
