import { EventLogError } from './errors.ts';

/**
 * Kafka's error names (org.apache.kafka.common.protocol.Errors) after which the same request is refused again until a
 * person changes something.
 */
const lasting: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'INVALID_RECORD',
  'POLICY_VIOLATION',
  'OFFSET_METADATA_TOO_LARGE',
  'INVALID_TRANSACTION_TIMEOUT',
  'INVALID_SESSION_TIMEOUT',
  'INVALID_GROUP_ID',
  'INCONSISTENT_GROUP_PROTOCOL',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_SASL_MECHANISM',
  'SASL_AUTHENTICATION_FAILED',
  'SECURITY_DISABLED',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
]);

/** What to do about some of them. */
const remedies: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: "the topic's max.message.bytes is too small for it",
  UNKNOWN_TOPIC_OR_PARTITION: 'the topic is not there: create the topics first',
};

/** The innermost cause's Kafka error name, as `INVALID_PRODUCER_EPOCH`; `undefined` where no broker has said anything. */
export function kafkaErrorType(error: unknown): string | undefined {
  let type: string | undefined;
  for (const each of causes(error)) {
    if ('type' in each && typeof each.type === 'string') type = each.type;
  }
  return type;
}

/** Whether a broker will say the same again until a person changes something. */
export function isLasting(error: unknown): boolean {
  const type = kafkaErrorType(error);
  if (type !== undefined) return lasting.has(type);
  return [...causes(error)].some(({ name }) => name.startsWith('KafkaJSSASL') || name === 'KafkaJSNotImplemented');
}

/** `EVENT_LOG_FAILED` for what kafkajs threw while `doing`; retriable unless a person has to change something. */
export function kafkaFailure(error: unknown, doing: string): EventLogError {
  if (error instanceof EventLogError) return error;
  const type = kafkaErrorType(error);
  const remedy = type === undefined ? undefined : remedies[type];
  const reason = error instanceof Error ? error.message : String(error);
  return new EventLogError(
    'EVENT_LOG_FAILED',
    `${doing} failed: ${reason}${type === undefined ? '' : ` (${type})`}${remedy === undefined ? '' : `; ${remedy}`}`,
    { cause: error, retriable: !isLasting(error) },
  );
}

/** An error and what caused it, outermost first. */
function* causes(error: unknown): Generator<Error> {
  for (let each = error; each instanceof Error; each = each.cause) yield each;
}
