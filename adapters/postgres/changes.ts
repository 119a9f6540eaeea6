/** What a statement that changes something contains. */
export const changes = /\b(?:INSERT INTO|DELETE FROM|UPDATE \w+(?: AS)?(?: \w+)? SET)\b/;
