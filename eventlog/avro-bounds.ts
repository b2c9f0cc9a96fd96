import type avro from 'avsc';

/** Where a value stops being one of its schema, and why. */
export class MalformedAvro extends Error {
  readonly bytePosition: number;

  constructor(reason: string, bytePosition: number) {
    super(reason);
    this.bytePosition = bytePosition;
  }
}

/** Walks one value from `position` on and returns where it ends. Throws `MalformedAvro`. */
export type BoundsCheck = (bytes: Uint8Array, position: number) => number;

/**
 * Makes a check that bytes are a value of `type`, to be run before avsc decodes them. avsc trusts the counts of arrays
 * and maps: ten bytes that announce 2^31 items cost it minutes and gigabytes (`ArrayType.prototype._read` in
 * `mtth/avsc:lib/types.js`), and it looks at the end only whether it read too far. The check takes time proportional to
 * the bytes, allocates nothing, and knows where it stopped.
 *
 * Binary encoding: Avro 1.11 specification, "Binary Encoding". Items without bytes (null, empty records) are refused
 * in arrays, since their number would not be bounded by the bytes.
 */
export function boundsCheckOf(type: avro.Type): BoundsCheck {
  return compile(type, { known: new Map(), long: skipVarint });
}

/**
 * A check that refuses, beyond the bounds, what avsc refuses when it decodes: a long beyond 2^53 where a number is expected. What
 * it lets pass avsc decodes.
 */
export function valueCheckOf(type: avro.Type): BoundsCheck {
  return compile(type, { known: new Map(), long: checkSafeLong });
}

interface Compiling {
  readonly known: Map<avro.Type, BoundsCheck>;
  /** Of a long that becomes a number. */
  readonly long: BoundsCheck;
}

function compile(type: avro.Type, compiling: Compiling): BoundsCheck {
  const { known } = compiling;
  const before = known.get(type);
  if (before !== undefined) return before;
  // A record may contain itself: what it needs of itself is looked up when it runs.
  known.set(type, (bytes, position) => made(bytes, position));
  const made = compileKind(type, compiling);
  known.set(type, made);
  return made;
}

function compileKind(type: avro.Type, compiling: Compiling): BoundsCheck {
  // Logical types are of the kind of what is below them. avsc's type declarations lack these classes' properties, each
  // of which is there for its own kind.
  const shape = type as unknown as {
    readonly typeName: string;
    readonly underlyingType?: avro.Type;
    readonly fields?: readonly { readonly type: avro.Type }[];
    readonly symbols?: readonly string[];
    readonly itemsType: avro.Type;
    readonly valuesType: avro.Type;
    readonly types?: readonly avro.Type[];
    readonly size?: number;
  };
  if (shape.underlyingType !== undefined) return compile(shape.underlyingType, compiling);
  switch (shape.typeName) {
    case 'null':
      return (_bytes, position) => position;
    case 'boolean':
      return checkBoolean;
    case 'int':
      return checkInt;
    case 'long':
      return compiling.long;
    case 'abstract:long':
      return skipVarint;
    case 'float':
      return fixedCheck(4);
    case 'double':
      return fixedCheck(8);
    case 'fixed':
      return fixedCheck(shape.size ?? 0);
    case 'bytes':
    case 'string':
      return skipLengthPrefixed;
    case 'enum':
      return indexCheck('enum symbol', shape.symbols?.length ?? 0);
    case 'record':
      return recordCheck((shape.fields ?? []).map((field) => compile(field.type, compiling)));
    case 'union:wrapped':
    case 'union:unwrapped':
      return unionCheck((shape.types ?? []).map((branch) => compile(branch, compiling)));
    case 'array':
      return blocksCheck(compile(shape.itemsType, compiling));
    case 'map': {
      const value = compile(shape.valuesType, compiling);
      return blocksCheck((bytes, position) => value(bytes, skipLengthPrefixed(bytes, position)));
    }
    default:
      throw new Error(`no bounds check for Avro type ${shape.typeName}`);
  }
}

function recordCheck(fields: readonly BoundsCheck[]): BoundsCheck {
  return (bytes, start) => {
    let position = start;
    for (const field of fields) position = field(bytes, position);
    return position;
  };
}

function unionCheck(branches: readonly BoundsCheck[]): BoundsCheck {
  return (bytes, position) => {
    const branch = branches[readLong(bytes, position)];
    if (branch === undefined) throw new MalformedAvro('no such union branch', position);
    return branch(bytes, skipVarint(bytes, position));
  };
}

function indexCheck(what: string, count: number): BoundsCheck {
  return (bytes, position) => {
    const index = readLong(bytes, position);
    if (index < 0 || index >= count) throw new MalformedAvro(`no such ${what}`, position);
    return skipVarint(bytes, position);
  };
}

/** Blocks of arrays and maps: count and items, or a negative count, the block's size and items; ended by a 0. */
function blocksCheck(item: BoundsCheck): BoundsCheck {
  return (bytes, start) => {
    let position = start;
    for (;;) {
      const countAt = position;
      const count = readLong(bytes, position);
      position = skipVarint(bytes, position);
      if (count === 0) return position;
      if (count < 0) position = skipVarint(bytes, position);
      const items = Math.abs(count);
      if (items > bytes.length - position) {
        throw new MalformedAvro(`${items} items announced, ${bytes.length - position} bytes left`, countAt);
      }
      for (let place = 0; place < items; place++) {
        const end = item(bytes, position);
        if (end === position) throw new MalformedAvro('an item without bytes', position);
        position = end;
      }
    }
  };
}

function fixedCheck(size: number): BoundsCheck {
  return (bytes, position) => {
    if (size > bytes.length - position) throw new MalformedAvro('the value ends early', position);
    return position + size;
  };
}

function checkBoolean(bytes: Uint8Array, position: number): number {
  const byte = bytes[position];
  if (byte !== 0 && byte !== 1) throw new MalformedAvro('a boolean is neither 0 nor 1', position);
  return position + 1;
}

/** avsc reads an `int` of any size, and then refuses to write what it has read. */
function checkInt(bytes: Uint8Array, position: number): number {
  const value = readLong(bytes, position);
  if (value < -(2 ** 31) || value >= 2 ** 31) throw new MalformedAvro('an int beyond 32 bits', position);
  return skipVarint(bytes, position);
}

/** What `isSafeLong` of `mtth/avsc:lib/types.js` (5.7.9) lets pass. */
const maxSafeLong = Number.MAX_SAFE_INTEGER - 1;

function checkSafeLong(bytes: Uint8Array, position: number): number {
  const end = skipVarint(bytes, position);
  // Up to seven bytes have 49 bits.
  if (end - position > 7 && Math.abs(readLong(bytes, position)) > maxSafeLong) {
    throw new MalformedAvro('a long beyond 2^53', position);
  }
  return end;
}

function skipLengthPrefixed(bytes: Uint8Array, position: number): number {
  const length = readLong(bytes, position);
  const start = skipVarint(bytes, position);
  if (length < 0 || length > bytes.length - start) {
    throw new MalformedAvro(`${length} bytes announced, ${bytes.length - start} left`, position);
  }
  return start + length;
}

/** 64 bits in groups of 7. */
const maxVarintBytes = 10;

/** Where the number at `start` ends. Throws `MalformedAvro`. */
export function skipVarint(bytes: Uint8Array, start: number): number {
  for (let position = start; position < start + maxVarintBytes; position++) {
    const byte = bytes[position];
    if (byte === undefined) throw new MalformedAvro('the value ends early', position);
    if (byte < 0x80) return position + 1;
  }
  throw new MalformedAvro('a number of more than ten bytes', start);
}

/** A `long`. Zig-zag: even numbers are positive. A double is exact enough: nothing is compared above a message's length. */
export function readLong(bytes: Uint8Array, start: number): number {
  let value = 0;
  let scale = 1;
  for (let position = start; position < start + maxVarintBytes; position++) {
    const byte = bytes[position];
    if (byte === undefined) throw new MalformedAvro('the value ends early', position);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    scale *= 128;
  }
  throw new MalformedAvro('a number of more than ten bytes', start);
}

/** A `long` of 0 to 2^52 as Avro has it. */
export function longBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value * 2;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.from([...bytes, rest]);
}
