import { open, stat, type FileHandle } from 'node:fs/promises';
import { constants, deflateRaw, inflateRaw, zstdDecompress, type InflateRaw, type InputType } from 'node:zlib';
import { promisify } from 'node:util';
import { longBytes, MalformedAvro, readLong, skipVarint } from './avro-bounds.ts';
import { createCrc32c } from './crc32c.ts';

/*
 * Avro object container files (Avro 1.11 specification, "Object Container Files"):
 *
 *     'O' 'b' 'j' 0x01 | metadata: map of bytes | 16 bytes of sync marker          the header
 *     count: long | size: long | `size` bytes, compressed | the sync marker        a block, repeated
 *
 * `deflate` is RFC 1951 without a zlib header. Every reader must know it and `null`; it is what we write. Avro protects none of
 * this by a checksum. Records of ours have one each, and the metadata has that of the schema, under a name of our own: with
 * another schema the same bytes would be other values.
 */
const magic = Buffer.from('Obj\u0001', 'latin1');
const syncBytes = 16;

/** Where a block closes, before compression: small enough to hold two, large enough to compress well. */
export const blockBytes = 256 << 10;
/** Of the metadata: a schema has some tens of kilobytes. */
const maxHeaderBytes = 4 << 20;
/** Of one block, compressed and not: one record of the largest size (16 MiB) with room, since other writers close later. */
const maxBlockBytes = 64 << 20;
/** Two numbers of at most ten bytes stand before a block's bytes. */
const blockHeadBytes = 20;

const unzstd = promisify<InputType, { maxOutputLength: number }, Buffer>(zstdDecompress);
const deflate = promisify<InputType, { level: number }, Buffer>(deflateRaw);

/** CRC-32C of `avro.schema`, in hexadecimal. What other programs or older releases wrote has none. */
const schemaChecksumKey = 'palisade.schema.crc32c';

/** Codecs that are read, by the names that the specification gives them. */
const decompressors: Readonly<Record<string, (bytes: Uint8Array) => Promise<Buffer>>> = {
  null: (bytes) => Promise.resolve(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
  deflate: inflate,
  zstandard: (bytes) => unzstd(bytes, { maxOutputLength: maxBlockBytes }),
};

function inflate(bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // With `info` zlib also gives its engine, which the declarations do not know; its `bytesWritten` is what it has consumed.
    const options = { maxOutputLength: maxBlockBytes, info: true };
    inflateRaw(bytes, options, (error, result) => {
      if (error !== null) {
        reject(error);
        return;
      }
      const { buffer, engine } = result as unknown as { readonly buffer: Buffer; readonly engine: InflateRaw };
      const rest = bytes.length - engine.bytesWritten;
      if (rest === 0) resolve(buffer);
      else reject(new Error(`${rest} bytes follow the compressed ones`));
    });
  });
}

/** What is wrong with a container, and at which byte of the file. */
export class MalformedContainer extends Error {
  readonly bytePosition: number;

  constructor(reason: string, bytePosition: number, options: { readonly cause?: unknown } = {}) {
    super(reason, options);
    this.bytePosition = bytePosition;
  }
}

/** A block's records, one after the other, not compressed. */
export interface ContainerBlock {
  readonly records: number;
  readonly bytes: Buffer;
  /** Where it begins in the file, and where the next one does. */
  readonly bytePosition: number;
  readonly endPosition: number;
}

/** Reads a container, a block at a time; the next one is fetched and decompressed meanwhile, by the thread pool. */
export class ContainerReader implements AsyncDisposable {
  /** The writer's schema, as JSON. */
  readonly schema: string;
  /** Bytes of the file when it was opened: a file that is still being written is read up to here. */
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #start: number;
  readonly #sync: Buffer;
  readonly #decompress: (bytes: Uint8Array) => Promise<Buffer>;

  private constructor(handle: FileHandle, size: number, header: Header) {
    this.schema = header.schema;
    this.size = size;
    this.#handle = handle;
    this.#start = header.end;
    this.#sync = header.sync;
    this.#decompress = header.decompress;
  }

  /** Throws `MalformedContainer` where the header is none, and the system's error where the file cannot be opened. */
  static async open(file: string): Promise<ContainerReader> {
    // Asked before it is opened: opening a pipe waits for its writer.
    if (!(await stat(file)).isFile())
      throw new MalformedContainer('it is no regular file, and only such can be read at any place', 0);
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      return new ContainerReader(handle, size, await readHeader(handle, size));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** From the first block on. Throws `MalformedContainer` after the last one that is whole. */
  async *blocks(): AsyncGenerator<ContainerBlock, void, undefined> {
    let ahead = this.#block(this.#start);
    for (;;) {
      const block = await ahead;
      if (block === undefined) return;
      ahead = this.#block(block.endPosition);
      // Its failure is thrown when its turn comes, and is nobody's business where that never is.
      ahead.catch(() => undefined);
      yield block;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #block(position: number): Promise<ContainerBlock | undefined> {
    if (position >= this.size) return undefined;
    const head = await this.#read(position, Math.min(blockHeadBytes, this.size - position));
    const records = numberAt(head, 0, position);
    const size = numberAt(head, skipVarint(head, 0), position);
    const start = position + skipVarint(head, skipVarint(head, 0));
    if (records < 0 || size < 0) throw new MalformedContainer('a block with a negative size', position);
    if (size > maxBlockBytes) {
      throw new MalformedContainer(`a block of ${size} bytes is larger than the limit, ${maxBlockBytes}`, position);
    }
    const endPosition = start + size + syncBytes;
    if (endPosition > this.size) {
      throw new MalformedContainer(
        `the file ends in a block, ${endPosition - this.size} bytes before its end`,
        position,
      );
    }
    const stored = await this.#read(start, size + syncBytes);
    if (!this.#sync.equals(stored.subarray(size))) {
      throw new MalformedContainer('the marker after the block is not that of the file', position);
    }
    let bytes: Buffer;
    try {
      bytes = await this.#decompress(stored.subarray(0, size));
    } catch (cause) {
      throw new MalformedContainer(`the block does not decompress: ${String(cause)}`, position, { cause });
    }
    return { records, bytes, bytePosition: position, endPosition };
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const { bytesRead } = await this.#handle.read(bytes, read, length - read, position + read);
      if (bytesRead === 0) throw new MalformedContainer('the file became shorter', position + read);
      read += bytesRead;
    }
    return bytes;
  }
}

interface Header {
  readonly schema: string;
  readonly sync: Buffer;
  /** Where the first block begins. */
  readonly end: number;
  readonly decompress: (bytes: Uint8Array) => Promise<Buffer>;
}

async function readHeader(handle: FileHandle, size: number): Promise<Header> {
  const bytes = Buffer.alloc(Math.min(size, maxHeaderBytes));
  await handle.read(bytes, 0, bytes.length, 0);
  if (!magic.equals(bytes.subarray(0, magic.length))) {
    throw new MalformedContainer('it does not begin as an Avro object container file does', 0);
  }
  const metadata = new Map<string, Buffer>();
  let position = magic.length;
  try {
    position = readMap(bytes, position, metadata);
  } catch (cause) {
    if (!(cause instanceof MalformedAvro)) throw cause;
    throw new MalformedContainer(`its header is damaged: ${cause.message}`, cause.bytePosition, { cause });
  }
  if (position + syncBytes > bytes.length) throw new MalformedContainer('the file ends in its header', position);
  const codec = metadata.get('avro.codec')?.toString() ?? 'null';
  const decompress = Object.hasOwn(decompressors, codec) ? decompressors[codec] : undefined;
  if (decompress === undefined) {
    const known = Object.keys(decompressors).join(', ');
    throw new MalformedContainer(`its codec is ${JSON.stringify(codec)}; these are read: ${known}`, magic.length);
  }
  const schema = metadata.get('avro.schema');
  if (schema === undefined) throw new MalformedContainer('its header has no schema', magic.length);
  const checksum = metadata.get(schemaChecksumKey)?.toString();
  if (checksum !== undefined && checksum !== checksumOf(schema)) {
    throw new MalformedContainer('its schema does not match the checksum beside it', magic.length);
  }
  return {
    schema: schema.toString(),
    sync: Buffer.from(bytes.subarray(position, position + syncBytes)),
    end: position + syncBytes,
    decompress,
  };
}

function checksumOf(schema: Uint8Array): string {
  return createCrc32c()(schema).toString(16).padStart(8, '0');
}

/** A map of bytes from `start` on into `entries`; tells where it ends. */
function readMap(bytes: Buffer, start: number, entries: Map<string, Buffer>): number {
  let position = start;
  for (;;) {
    const count = readLong(bytes, position);
    position = skipVarint(bytes, position);
    if (count === 0) return position;
    // With a negative count the block's size in bytes follows.
    if (count < 0) position = skipVarint(bytes, position);
    for (let place = 0; place < Math.abs(count); place++) {
      const key = bytesAt(bytes, position);
      const value = bytesAt(bytes, key.end);
      entries.set(key.content.toString(), value.content);
      position = value.end;
    }
  }
}

function bytesAt(bytes: Buffer, position: number): { readonly content: Buffer; readonly end: number } {
  const length = readLong(bytes, position);
  const start = skipVarint(bytes, position);
  if (length < 0 || length > bytes.length - start) {
    throw new MalformedAvro(`${length} bytes announced, ${bytes.length - start} left`, position);
  }
  return { content: bytes.subarray(start, start + length), end: start + length };
}

function numberAt(head: Buffer, place: number, filePosition: number): number {
  try {
    return readLong(head, place);
  } catch (cause) {
    if (!(cause instanceof MalformedAvro)) throw cause;
    throw new MalformedContainer(`no block begins here: ${cause.message}`, filePosition, { cause });
  }
}

/** The header's bytes. `sync` is 16 random bytes. */
export function containerHeader(schema: string, sync: Uint8Array): Buffer {
  const entries = {
    'avro.schema': schema,
    'avro.codec': 'deflate',
    [schemaChecksumKey]: checksumOf(Buffer.from(schema)),
  };
  const parts: Uint8Array[] = [magic, longBytes(Object.keys(entries).length)];
  for (const [key, value] of Object.entries(entries)) {
    for (const content of [Buffer.from(key), Buffer.from(value)]) parts.push(longBytes(content.length), content);
  }
  return Buffer.concat([...parts, longBytes(0), sync]);
}

/** A block of `records` records, compressed. */
export async function containerBlock(records: number, bytes: Uint8Array, sync: Uint8Array): Promise<Buffer> {
  const compressed = await deflate(bytes, { level: constants.Z_BEST_SPEED });
  return Buffer.concat([longBytes(records), longBytes(compressed.length), compressed, sync]);
}
