import { conformance } from '../eventlog/conformance.ts';
import { openKafkaLog } from './kafka-log.ts';

conformance('kafka', (t) => openKafkaLog(t), { oneSequence: false });
