/** Suites against an Apache Kafka broker, the one that `KAFKA_BROKERS` names: dist/test/kafka/main.js starts one. */
export default {
  typescript: { rewritePaths: { 'test/': 'dist/test/' }, compile: false },
  files: ['test/kafka/**/*.test.ts'],
  nodeArguments: ['--enable-source-maps'],
  // Two at once: tests wait for the broker more than they work, and each has topics of its own.
  concurrency: 2,
  // Without any test's end; for a machine that is busy with much else. Waits of the tests are shorter and say what for.
  timeout: '10m',
};
