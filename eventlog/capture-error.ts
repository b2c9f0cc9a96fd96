import { PalisadeError } from '../runtime/errors.ts';
import { printable } from '../runtime/printable.ts';

/** Where a capture stops being one. What stood before that place has been handed out. */
export class CaptureError extends PalisadeError {
  readonly file: string;
  /** In the file, from 0: where the block or header begins that cannot be read. */
  readonly bytePosition: number;
  /** Records that were read before. */
  readonly recordsBefore: number;

  constructor(
    file: string,
    place: { readonly bytePosition: number; readonly recordsBefore: number },
    reason: string,
    cause?: unknown,
  ) {
    const before = place.recordsBefore === 0 ? '' : `, after ${place.recordsBefore} records that were read`;
    super(
      'CAPTURE_UNREADABLE',
      `the capture ${printable(file)} cannot be read at byte ${place.bytePosition}${before}: ${reason}`,
      { cause },
    );
    this.file = file;
    this.bytePosition = place.bytePosition;
    this.recordsBefore = place.recordsBefore;
  }
}
