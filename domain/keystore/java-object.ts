import { damaged, type JavaReader } from './java-reader.ts';

// Java Object Serialization Specification §6.4.2.
const Type = { null: 0x70, reference: 0x71, classDescription: 0x72, object: 0x73, string: 0x74, array: 0x75, end: 0x78 } as const;
const streamHead = 0xaced0005;
const serializable = 0x02;
const firstHandle = 0x7e0000;
const maxDepth = 8;
const maxFields = 100;
/** Octets of the primitive types, by their codes. */
const widths: Readonly<Record<string, number>> = { B: 1, C: 2, D: 8, F: 4, I: 4, J: 8, S: 2, Z: 1 };

interface ClassDescription {
  readonly name: string;
  /** Type codes, in the order of the values. */
  readonly fields: readonly string[];
  readonly parent: ClassDescription | undefined;
}

/**
 * Passes over a serialized Java object, as a secret key of JCEKS is one: it has no length before it, so its end is found by its shape. Nothing of its values is
 * read, and nothing of it is made.
 *
 * @throws {KeystoreError} `damaged`, also for what no sealed key has: methods of their own that write
 */
export function skipJavaObject(reader: JavaReader): void {
  if (reader.int() !== streamHead) throw damaged('a secret key that is no object');
  // Whatever is written gets a number, by which it can be said again.
  const handles: (ClassDescription | undefined)[] = [];
  skip(reader, handles, 0);
}

function skip(reader: JavaReader, handles: (ClassDescription | undefined)[], depth: number): void {
  if (depth > maxDepth) throw damaged('a secret key with objects in objects');
  const type = reader.octet();
  if (type === Type.reference) reader.skip(4);
  else if (type === Type.string) {
    handles.push(undefined);
    reader.skip(reader.short());
  } else if (type === Type.array) {
    const width = widths[readClass(reader, handles, depth)?.name.slice(1) ?? ''];
    if (width === undefined) throw damaged('a secret key with an array of objects');
    handles.push(undefined);
    reader.skip(reader.int() * width);
  } else if (type === Type.object) {
    const of = readClass(reader, handles, depth);
    handles.push(undefined);
    for (const code of lineage(of).flatMap(({ fields }) => fields)) {
      const width = widths[code];
      if (width === undefined) skip(reader, handles, depth + 1);
      else reader.skip(width);
    }
  } else if (type !== Type.null) throw damaged('a secret key with what is no object');
}

/** A class and those that it extends, the most general first. */
function lineage(of: ClassDescription | undefined): ClassDescription[] {
  return of === undefined ? [] : [...lineage(of.parent), of];
}

function readClass(reader: JavaReader, handles: (ClassDescription | undefined)[], depth: number): ClassDescription | undefined {
  if (depth > maxDepth) throw damaged('a secret key of a class of classes');
  const type = reader.octet();
  if (type === Type.null) return undefined;
  if (type === Type.reference) return handles[reader.int() - firstHandle];
  if (type !== Type.classDescription) throw damaged('a secret key without a class');
  const name = reader.text();
  // serialVersionUID.
  reader.skip(8);
  const handle = handles.push(undefined) - 1;
  if (reader.octet() !== serializable) throw damaged('a secret key that writes itself');
  const count = reader.short();
  if (count > maxFields) throw damaged('a secret key with too many fields');
  const fields: string[] = [];
  for (let n = 0; n < count; n++) {
    const code = String.fromCharCode(reader.octet());
    fields.push(code);
    reader.text();
    // The name of the class of an object or an array.
    if (widths[code] === undefined) skip(reader, handles, depth + 1);
  }
  if (reader.octet() !== Type.end) throw damaged('a secret key with annotations');
  const description = { name, fields, parent: readClass(reader, handles, depth + 1) };
  handles[handle] = description;
  return description;
}
