import { avroTypeNamed } from '../schemas/avro-types.ts';
import type { ContainerDescriptor, Gap, HelperFailure, OperationCounters } from '../schemas/generated.ts';
import { symbolsOfOrigin } from '../schemas/generated.ts';
import { AvroWriter } from './avro-writer.ts';
import type { EventDecoder } from './event-decoder.ts';

/** What a raw batch has beside its rows and dictionaries. */
export interface RawBatchHeader {
  readonly nodeId: string;
  readonly bootId: string;
  readonly session: bigint;
  readonly batch: number;
  readonly wallClockOffsetNs: bigint;
  readonly containers: readonly ContainerDescriptor[];
  readonly counters: readonly OperationCounters[];
  readonly helperFailures: readonly HelperFailure[];
  readonly gaps: readonly Gap[];
  readonly sessionEnded: boolean;
}

/** Puts batches together: RawEventBatch (schemas/avro/03-raw-event-batch.avsc) as bare Avro binary, field after field. */
export class RawBatchEncoder {
  readonly #out = new AvroWriter(1 << 17);
  readonly #container = avroTypeNamed('ContainerDescriptor');
  readonly #counters = avroTypeNamed('OperationCounters');
  readonly #helperFailure = avroTypeNamed('HelperFailure');
  readonly #gap = avroTypeNamed('Gap');

  /** The batch of what `rows` holds, which is cleared by it. The bytes are the caller's. */
  encode(header: RawBatchHeader, rows: EventDecoder): Uint8Array<ArrayBuffer> {
    const out = this.#out;
    out.length = 0;
    out.text(header.nodeId);
    out.text(header.bootId);
    out.reserve(64);
    out.bigint(header.session);
    out.number(header.batch);
    out.int(symbolsOfOrigin.indexOf('live'));
    out.bigint(rows.baseTimeNs);
    out.bigint(header.wallClockOffsetNs);
    this.#values(this.#container, header.containers);
    out.array(rows.strings.count, rows.strings.items);
    for (const section of [rows.processes, rows.files, rows.addresses, rows.execs, rows.events]) {
      out.array(section.count, section.items);
    }
    rows.sequences.flush(out);
    this.#values(this.#counters, header.counters);
    this.#values(this.#helperFailure, header.helperFailures);
    this.#values(this.#gap, header.gaps);
    out.reserve(1);
    out.boolean(header.sessionEnded);
    rows.clear();
    return out.bytes.slice(0, out.length);
  }

  /** An Avro array of values that are few: encoded by avsc. */
  #values(type: { toBuffer(value: unknown): Uint8Array }, values: readonly unknown[]): void {
    const out = this.#out;
    out.reserve(6);
    if (values.length > 0) out.int(values.length);
    for (const value of values) out.raw(type.toBuffer(value));
    out.reserve(1);
    out.int(0);
  }
}
