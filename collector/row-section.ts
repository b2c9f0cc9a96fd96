import { AvroWriter } from './avro-writer.ts';

/** Most bytes of a row of any section but the lists in it, counted generously: 24 numbers of 10 bytes. */
export const rowBytesMax = 256;

/** Items of one Avro array. */
export class RowSection {
  readonly items: AvroWriter;
  count = 0;

  constructor(capacityBytes: number) {
    this.items = new AvroWriter(capacityBytes);
  }

  clear(): void {
    this.count = 0;
    this.items.length = 0;
  }
}
