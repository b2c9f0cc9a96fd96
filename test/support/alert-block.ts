import { avroTypeOf } from '../../schemas/avro-types.ts';
import type { Alert } from '../../schemas/generated.ts';
import { beginAlerts } from '../../sink/table-columns.ts';
import { logRecord } from './run-processor.ts';

/** What the sink inserts of these alerts. */
export function alertBlock(...alerts: readonly Alert[]): Buffer {
  const rows = beginAlerts();
  for (const [offset, alert] of alerts.entries()) {
    rows.add(logRecord('alerts', alert.nodeId, alert, offset), avroTypeOf('alerts').encode(alert));
  }
  return rows.block.take();
}
