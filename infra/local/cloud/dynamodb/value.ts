import { AwsError } from '../aws-error.ts';

/** An attribute value on the wire, e.g. `{"S": "text"}`. Only the scalar types that the platform uses. */
export type AttributeValue =
  { readonly S: string } | { readonly N: string } | { readonly B: string } | { readonly BOOL: boolean } | { readonly NULL: true };
export type Item = Readonly<Record<string, AttributeValue>>;

export function invalid(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

/** Numbers are compared and added as integers when they are, so that microseconds since the epoch keep every digit. */
export function numberOf(value: AttributeValue): bigint | number {
  if (!('N' in value)) throw invalid('a number was expected');
  if (/^-?\d{1,38}$/.test(value.N)) return BigInt(value.N);
  const number = Number(value.N);
  if (value.N.trim() === '' || !Number.isFinite(number)) throw invalid('The parameter cannot be converted to a numeric value');
  return number;
}

export function add(left: AttributeValue, right: AttributeValue, sign: 1 | -1): AttributeValue {
  const [a, b] = [numberOf(left), numberOf(right)];
  if (typeof a === 'bigint' && typeof b === 'bigint') return { N: String(sign === 1 ? a + b : a - b) };
  return { N: String(Number(a) + sign * Number(b)) };
}

/** Negative, zero or positive; undefined when the types differ, which no comparison but <> is true for. */
export function compare(left: AttributeValue, right: AttributeValue): number | undefined {
  if ('N' in left && 'N' in right) {
    const [a, b] = [numberOf(left), numberOf(right)];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if ('S' in left && 'S' in right) return Buffer.compare(Buffer.from(left.S), Buffer.from(right.S));
  if ('B' in left && 'B' in right) return Buffer.compare(Buffer.from(left.B, 'base64'), Buffer.from(right.B, 'base64'));
  if ('BOOL' in left && 'BOOL' in right) return Number(left.BOOL) - Number(right.BOOL);
  if ('NULL' in left && 'NULL' in right) return 0;
  return undefined;
}

const types = new Set(['S', 'N', 'B', 'BOOL', 'NULL']);

/** Refuses what DynamoDB would: unknown types, an empty key, an item above 400 KB. Returns the item's JSON. */
export function checkItem(item: Item): string {
  for (const [name, value] of Object.entries(item)) {
    const keys = Object.keys(value);
    if (keys.length !== 1 || !types.has(keys[0] ?? ''))
      throw invalid(`Supplied AttributeValue is of a type that is not played here: ${name}`);
    if ('N' in value) numberOf(value);
  }
  checkKey(item);
  const text = JSON.stringify(item);
  if (text.length > 400 * 1024) throw invalid('Item size has exceeded the maximum allowed size');
  return text;
}

export function checkKey(key: Item): string {
  const pk = key['pk'];
  if (pk === undefined || !('S' in pk)) throw invalid('The provided key element does not match the schema');
  if (pk.S === '')
    throw invalid(
      'One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk',
    );
  if (Buffer.byteLength(pk.S) > 2048)
    throw invalid('One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of 2048 bytes');
  return pk.S;
}
