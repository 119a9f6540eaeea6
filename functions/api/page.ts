/**
 * A page of a list and the cursor of the next; a page that is not full is the last.
 *
 * @param limit how many were asked for
 */
export function page<Item extends { readonly id: string }>(
  items: readonly Item[],
  limit: number,
): { readonly items: Item[]; readonly next_cursor: string | null } {
  return { items: [...items], next_cursor: items.length === limit ? (items.at(-1)?.id ?? null) : null };
}
