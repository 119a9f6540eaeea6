/** A set of octet strings of at most 255 octets: a million serials take 30 MB, of which a Set of texts would take five times as much. */
export interface OctetSet {
  /** Adds a part of some bytes; false when it was there already. */
  add(bytes: Uint8Array, start: number, end: number): boolean;
}

/**
 * An empty set: open addressing over one buffer that holds the octets one after the other, each behind its length.
 *
 * @param expected how many it will hold; more makes it grow
 */
export function octetSet(expected = 256): OctetSet {
  let places = new Uint32Array(2 ** Math.ceil(Math.log2(expected * 2 + 2)));
  let store = new Uint8Array(expected * 18 + 512);
  // Place 0 means an empty slot.
  let free = 1;
  let count = 0;

  const slotOf = (bytes: Uint8Array, start: number, end: number): number => {
    const mask = places.length - 1;
    let slot = hashOf(bytes, start, end) & mask;
    for (let place = places[slot]; place; place = places[slot]) {
      if (isAt(place, bytes, start, end)) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  };
  const isAt = (place: number, bytes: Uint8Array, start: number, end: number): boolean => {
    if (store[place] !== end - start) return false;
    for (let i = start, j = place + 1; i < end; i++, j++) if (bytes[i] !== store[j]) return false;
    return true;
  };
  const grow = (): void => {
    const old = places;
    places = new Uint32Array(old.length * 2);
    for (const place of old) if (place) places[slotOf(store, place + 1, place + 1 + (store[place] ?? 0))] = place;
  };

  return {
    add(bytes, start, end) {
      const length = end - start;
      if (length > 255) throw new RangeError('at most 255 octets');
      const slot = slotOf(bytes, start, end);
      if (places[slot]) return false;
      if (free + 1 + length > store.length) {
        const larger = new Uint8Array(store.length * 2);
        larger.set(store);
        store = larger;
      }
      places[slot] = free;
      store[free++] = length;
      for (let i = start; i < end; i++) store[free++] = bytes[i] ?? 0;
      count += 1;
      if (count * 2 > places.length) grow();
      return true;
    },
  };
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  // The low bits decide, and so must depend on all octets.
  return (hash ^ (hash >>> 15)) >>> 0;
}
