/** Who may issue, and under which conditions (RFC 8659 §4.2). */
export interface IssueValue {
  /** Lower case; empty: nobody. */
  readonly issuer: string;
  /** As they stand; tags in lower case. */
  readonly parameters: readonly { readonly tag: string; readonly value: string }[];
}

/** Reads an issue-value; undefined when it does not follow the grammar. */
export function readIssueValue(text: string): IssueValue | undefined {
  const [issuer = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters: { tag: string; value: string }[] = [];
  for (const part of rest) {
    if (part === '') continue;
    const [, tag, value] = /^([A-Za-z0-9][A-Za-z0-9-]*)\s*=\s*([\x21-\x3a\x3c-\x7e]*)$/.exec(part) ?? [];
    if (tag === undefined || value === undefined) return undefined;
    parameters.push({ tag: tag.toLowerCase(), value });
  }
  return { issuer: issuer.toLowerCase(), parameters };
}
