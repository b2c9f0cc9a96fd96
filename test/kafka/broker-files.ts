import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { cachedFolder, runToFetch } from './cached-folder.ts';

/** The broker that the tests run against where `KAFKA_BROKERS` names none. */
export const kafkaVersion = '4.3.0';

/** What Maven fetches: Apache Kafka's server with all that it needs, and a log binding, without which it would be silent. */
function projectFile(version: string): string {
  const dependency = (group: string, artifact: string, of: string): string =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency>`;
  return [
    '<project><modelVersion>4.0.0</modelVersion>',
    '<groupId>palisade.test</groupId><artifactId>broker</artifactId><version>1</version><dependencies>',
    dependency('org.apache.kafka', 'kafka_2.13', version),
    dependency('org.slf4j', 'slf4j-simple', '1.7.36'),
    '</dependencies></project>',
  ].join('\n');
}

/** What is missing to fetch and run a broker, in words for a person; `undefined` where nothing is. */
export function missingForBroker(): string | undefined {
  const missing = [
    { program: 'java', package: 'default-jre-headless (Java 17 or later)' },
    { program: 'mvn', package: 'maven' },
  ].filter(({ program }) => spawnSync(program, ['--version']).error !== undefined);
  if (missing.length === 0) return undefined;
  const names = missing.map((entry) => entry.package).join(' and ');
  return `needs an Apache Kafka broker: install ${names}, or name a broker in KAFKA_BROKERS`;
}

/**
 * The folder with the broker's Java archives (45 MB from Maven Central, about 15 s the first time). Throws where Maven fails,
 * with what it said.
 */
export function brokerFiles(version = kafkaVersion): string {
  return cachedFolder(`kafka-${version}`, (folder) => {
    writeFileSync(path.join(folder, 'pom.xml'), projectFile(version));
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${folder}`];
    runToFetch('mvn', ['-q', '-B', '-f', path.join(folder, 'pom.xml'), ...goal]);
  });
}
