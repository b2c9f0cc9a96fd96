import { spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brokerFiles } from './broker-files.ts';
import { endServer, startJavaServer } from './java-server.ts';

/** How long a broker may take to answer, milliseconds: it takes 5 to 15 s where nothing else runs. */
const startMs = 240_000;
/** Another process may take a port between our look and the broker's. */
const maxPortTries = 5;
/** Any 16 bytes in base64: each run has a directory of its own. */
const clusterId = 'MkU3OEVBNTcwNTJENDM2Qk';

/** A broker of Apache Kafka in one process, as broker and controller (KRaft), on a free port of the loopback. */
export interface Broker extends AsyncDisposable {
  /** `127.0.0.1:PORT`. The same after `restart`. */
  readonly address: string;
  /** The same for `users`, who are held to ACLs there; whoever comes by `address` may do everything. */
  readonly saslAddress: string | undefined;
  readonly pid: number;
  /** Ends it at once, as a power failure of its machine would end it but for the disk. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data; resolves when it answers. */
  restart(): Promise<void>;
}

export interface BrokerOptions {
  /** Name → password of those who come by SASL PLAIN. */
  readonly users?: Readonly<Record<string, string>>;
}

/** Starts a broker with a directory of its own, which goes when the broker is disposed of. It dies with this process. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const libraries = brokerFiles();
  const directory = mkdtempSync(path.join(tmpdir(), 'palisade-kafka-'));
  try {
    for (let attempt = 1; ; attempt++) {
      const ports = await freePorts();
      writeConfiguration(directory, ports, options);
      if (attempt === 1) format(libraries, directory);
      const started = await start(libraries, directory, ports.broker);
      if (typeof started !== 'string') {
        const saslAddress = options.users === undefined ? undefined : `127.0.0.1:${ports.sasl}`;
        return running({ libraries, directory, port: ports.broker, saslAddress }, started);
      }
      if (attempt >= maxPortTries || !started.includes('BindException')) {
        throw new Error(`the Kafka broker did not start: ${started}`);
      }
    }
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

interface Ports {
  readonly broker: number;
  readonly controller: number;
  readonly sasl: number;
}

async function freePorts(): Promise<Ports> {
  const servers = [createServer(), createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address !== null) ports.push(address.port);
  }
  for (const server of servers) server.close();
  const [broker = 0, controller = 0, sasl = 0] = ports;
  return { broker, controller, sasl };
}

/** A listener for users, and ACLs for all who have a name. */
function saslSettings(users: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const login = `org.apache.kafka.common.security.plain.PlainLoginModule required ${entries.join(' ')};`;
  return {
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,USERS:SASL_PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.users.plain.sasl.jaas.config': login,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  };
}

function writeConfiguration(directory: string, ports: Ports, { users }: BrokerOptions): void {
  const listeners = [
    `PLAINTEXT://127.0.0.1:${ports.broker}`,
    ...(users === undefined ? [] : [`USERS://127.0.0.1:${ports.sasl}`]),
  ];
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: [...listeners, `CONTROLLER://127.0.0.1:${ports.controller}`].join(','),
    'advertised.listeners': listeners.join(','),
    ...(users === undefined ? {} : saslSettings(users)),
    'log.dirs': path.join(directory, 'data'),
    'auto.create.topics.enable': false,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    // The first use creates them: 50 each by default.
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    // Tests wait for sessions to end.
    'group.min.session.timeout.ms': 1000,
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    'log.retention.check.interval.ms': 500,
    'log.initial.task.delay.ms': 500,
    'log.cleaner.dedupe.buffer.size': 16777216,
    'log.cleaner.backoff.ms': 500,
    'message.max.bytes': 33554432,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  writeFileSync(path.join(directory, 'server.properties'), `${lines.join('\n')}\n`);
  writeFileSync(path.join(directory, 'simplelogger.properties'), 'org.slf4j.simpleLogger.defaultLogLevel=warn\n');
}

function classPath(libraries: string, directory: string): readonly string[] {
  return ['-cp', `${directory}:${libraries}/*`];
}

function format(libraries: string, directory: string): void {
  const command = ['format', '-t', clusterId, '-c', path.join(directory, 'server.properties'), '--ignore-formatted'];
  const tool = ['-Xmx128m', '-XX:TieredStopAtLevel=1', ...classPath(libraries, directory), 'kafka.tools.StorageTool'];
  const { status, stdout, stderr, error } = spawnSync('java', [...tool, ...command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`formatting the broker's directory failed: ${error?.message ?? stdout + stderr}`);
}

/** The process when it answers; what it said where it ended before. */
function start(libraries: string, directory: string, port: number): Promise<ChildProcess | string> {
  const program = ['-Xms256m', '-Xmx512m', ...classPath(libraries, directory), 'kafka.Kafka'];
  return startJavaServer([...program, path.join(directory, 'server.properties')], {
    workingDirectory: directory,
    startMs,
    answers: () => isOpen(port),
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.on('connect', () => {
      done(true);
    });
    socket.on('error', () => {
      done(false);
    });
  });
}

interface Running {
  readonly libraries: string;
  readonly directory: string;
  readonly port: number;
  readonly saslAddress: string | undefined;
}

function running({ libraries, directory, port, saslAddress }: Running, first: ChildProcess): Broker {
  let child = first;
  return {
    address: `127.0.0.1:${port}`,
    saslAddress,
    get pid() {
      return child.pid ?? 0;
    },
    kill: () => endServer(child),
    restart: async () => {
      const started = await start(libraries, directory, port);
      if (typeof started === 'string') throw new Error(`the Kafka broker did not start again: ${started}`);
      child = started;
    },
    [Symbol.asyncDispose]: async () => {
      // Nothing of it is needed any more: an orderly end would only take longer.
      await endServer(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
