import type {
  ContainerDescriptor,
  ExecDetail,
  FileObject,
  Gap,
  Operation,
  OperationCounters,
  ProcessContext,
  RawEvent,
  RawEventBatch,
  SocketAddress,
} from '../../schemas/generated.ts';

/** A path or argument: text stands for its UTF-8 bytes. */
export type Bytes = string | Uint8Array;

/** A process of a test node; what it is may change between events. */
export interface TestProcess {
  readonly hostPid: number;
  readonly startTimeNs: bigint;
  parent: TestProcess | undefined;
  executable: Bytes;
  containerCgroupId: bigint;
  cwd: Bytes;
  comm: string;
  tty: string | undefined;
  uid: number;
  gid: number;
}

/** What an act may have beside its defaults. */
export interface ActOptions {
  readonly cpu?: number;
  readonly returnValue?: number;
}

export interface OpenOptions extends ActOptions {
  readonly flags?: number;
  readonly mode?: number;
  readonly typedPath?: Bytes;
  readonly file?: Partial<Omit<FileObject, 'path'>>;
}

/** Of a call that removes or renames. */
export interface NameOptions extends ActOptions {
  /** Default: unlink, rmdir or rename itself. */
  readonly syscall?: number;
  readonly flags?: number;
  readonly file?: Partial<Omit<FileObject, 'path'>>;
  /** rename: what the new name stood for. */
  readonly newFile?: Partial<Omit<FileObject, 'path'>>;
}

/** By operation: the number of its system call. */
const networkSyscalls = { socket: 41, connect: 42, accept: 43, bind: 49, listen: 50 } as const;

export type NetworkOperation = keyof typeof networkSyscalls;

export interface SocketOptions extends ActOptions {
  readonly path?: Bytes;
  readonly localAddress?: SocketAddress;
}

export interface ExecOptions extends ActOptions {
  readonly arguments?: readonly Bytes[];
  readonly argumentsTruncated?: boolean;
  readonly calledName?: Bytes;
  /** The last interpreter, where the program is a script. */
  readonly interpreter?: Bytes;
  readonly setUid?: boolean;
  readonly file?: Partial<Omit<FileObject, 'path'>>;
}

export interface BatchOptions {
  readonly containers?: readonly ContainerDescriptor[];
  readonly gaps?: readonly Gap[];
  /** Whether to add the counters that belong to what this node did so far. */
  readonly counters?: boolean;
  readonly sessionEnded?: boolean;
}

const textEncoder = new TextEncoder();

/** The bytes of `value`. */
export function bytesOf(value: Bytes): Uint8Array {
  return typeof value === 'string' ? textEncoder.encode(value) : value;
}

/** A container's descriptor with usual values where none are given. */
export function containerDescriptor(options: Partial<ContainerDescriptor> & { cgroupId: bigint }): ContainerDescriptor {
  return {
    version: 1,
    kind: 'container',
    containerId: `container-${options.cgroupId}`,
    idSource: 'runtimeState',
    runtime: 'runc',
    cgroupPath: bytesOf(`/runc/container-${options.cgroupId}`),
    name: `container-${options.cgroupId}`,
    image: null,
    labels: {},
    rootLinks: null,
    host: null,
    ...options,
  };
}

/** The host's descriptor, as the first batch of a session has it. */
export function hostDescriptor(options: Partial<ContainerDescriptor> = {}): ContainerDescriptor {
  return {
    cgroupId: 0n,
    version: 1,
    kind: 'host',
    containerId: '',
    idSource: 'host',
    runtime: '',
    cgroupPath: bytesOf('/'),
    name: null,
    image: null,
    labels: {},
    rootLinks: null,
    host: { hostName: 'test-host', kernelRelease: '6.1.0', cgroupLayout: 'v2' },
    ...options,
  };
}

/** A node that does things and tells of them in raw batches, as a collector would: for tests of what comes after it. */
export class TestNode {
  readonly nodeId: string;
  readonly bootId: string;
  /** CLOCK_BOOTTIME; each act takes a microsecond. */
  timeNs: bigint;
  #session: bigint;
  #batch = 0;
  #nextPid = 100;
  readonly #sequences = new Map<number, number>();
  readonly #counters = new Map<string, { seen: number; filtered: number; submitted: number; dropped: number }>();
  #rows: Rows = emptyRows();

  constructor(options: { nodeId?: string; bootId?: string; session?: bigint; timeNs?: bigint } = {}) {
    this.nodeId = options.nodeId ?? 'node-1';
    this.bootId = options.bootId ?? 'boot-1';
    this.#session = options.session ?? 1_000_000_000n;
    this.timeNs = options.timeNs ?? 2_000_000_000n;
  }

  get session(): bigint {
    return this.#session;
  }

  /** Begins another session: batch numbers, sequences and counters start anew. */
  beginSession(session: bigint): void {
    this.#session = session;
    this.#batch = 0;
    this.#sequences.clear();
    this.#counters.clear();
  }

  /** A process that exists without any event having told so. */
  process(options: Partial<Omit<TestProcess, 'startTimeNs'>> = {}): TestProcess {
    this.timeNs += 1000n;
    const { parent } = options;
    return {
      hostPid: options.hostPid ?? this.#nextPid++,
      startTimeNs: this.timeNs,
      parent,
      executable: options.executable ?? parent?.executable ?? '/usr/bin/app',
      containerCgroupId: options.containerCgroupId ?? parent?.containerCgroupId ?? 0n,
      cwd: options.cwd ?? parent?.cwd ?? '/',
      comm: options.comm ?? parent?.comm ?? 'app',
      tty: options.tty ?? parent?.tty,
      uid: options.uid ?? parent?.uid ?? 0,
      gid: options.gid ?? parent?.gid ?? 0,
    };
  }

  /** What /proc tells of `process` at the monitor's start, numbered as if of a CPU -1. */
  existing(process: TestProcess, commandLine: readonly Bytes[] = []): void {
    const exec = commandLine.length === 0 ? -1 : this.#rows.exec(this.#execDetail(process, commandLine));
    this.#act('existing', process, { cpu: -1 }, { exec });
  }

  fork(
    parent: TestProcess,
    options: Partial<Omit<TestProcess, 'startTimeNs' | 'parent'>> & ActOptions = {},
  ): TestProcess {
    const child = this.process({ ...options, parent });
    this.#act('fork', parent, options, {
      childHostPid: child.hostPid,
      childStartTimeNs: Number(child.startTimeNs - this.#rows.baseTimeNs(this.timeNs)),
    });
    return child;
  }

  /** An exec; where it succeeds the process runs the new program from then on. */
  exec(process: TestProcess, program: Bytes, options: ExecOptions = {}): void {
    const rows = this.#rows;
    const failed = (options.returnValue ?? 0) < 0;
    const file = rows.file(program, { inodeMode: 0o755, ...options.file });
    const interpreterFile =
      options.interpreter === undefined ? -1 : rows.file(options.interpreter, { inodeMode: 0o755 });
    const exec = rows.exec({
      ...this.#execDetail(process, options.arguments ?? [program]),
      argumentsTruncated: options.argumentsTruncated ?? false,
      calledName: rows.string(options.calledName ?? program),
      interpreterFile,
    });
    if (!failed) process.executable = options.interpreter ?? program;
    this.#act('exec', process, options, { file, exec, syscall: 59, flags: options.setUid === true ? 1 : 0 });
  }

  exit(process: TestProcess, options: ActOptions = {}): void {
    this.#act('exit', process, options);
  }

  /** An openat from the working directory; read-only unless `flags` say otherwise. */
  open(process: TestProcess, path: Bytes, options: OpenOptions = {}): void {
    this.#act(
      'open',
      process,
      { returnValue: 3, ...options },
      {
        file: this.#rows.file(path, options.file ?? {}),
        typedPath: options.typedPath === undefined ? -1 : this.#rows.string(options.typedPath),
        syscall: 257,
        flags: options.flags ?? 0,
        mode: options.mode ?? 0,
        fileDescriptor: -100,
      },
    );
  }

  /** By a name in a known directory; what stood under it is not known unless `file` says so. */
  remove(process: TestProcess, operation: 'unlink' | 'rmdir', path: Bytes, options: NameOptions = {}): void {
    this.#act(operation, process, options, {
      file: this.#rows.file(path, { ...unknownInode, ...options.file }),
      syscall: options.syscall ?? (operation === 'unlink' ? 87 : 84),
      flags: options.flags ?? 0,
    });
  }

  /** As `remove`, of both names. */
  rename(process: TestProcess, from: Bytes, to: Bytes, options: NameOptions = {}): void {
    this.#act('rename', process, options, {
      file: this.#rows.file(from, { ...unknownInode, ...options.file }),
      newFile: this.#rows.file(to, { ...unknownInode, ...options.newFile }),
      syscall: options.syscall ?? 82,
      flags: options.flags ?? 0,
    });
  }

  /** An act on a socket; `path` is the file that it is bound to or reaches. */
  onSocket(
    operation: NetworkOperation,
    process: TestProcess,
    address: SocketAddress,
    options: SocketOptions = {},
  ): void {
    const rows = this.#rows;
    this.#act(operation, process, options, {
      address: rows.address(address),
      localAddress: options.localAddress === undefined ? -1 : rows.address(options.localAddress),
      file: options.path === undefined ? -1 : rows.file(options.path, {}),
      syscall: networkSyscalls[operation],
      fileDescriptor: operation === 'socket' ? -1 : 4,
    });
  }

  /** The kernel saw an act and had no room for it: its sequence number never comes. */
  drop(operation: Operation, cpu = 0): void {
    this.#sequences.set(cpu, (this.#sequences.get(cpu) ?? 0) + 1);
    this.#count(operation, cpu, 'dropped');
  }

  /** The kernel saw an act and left it out. */
  filter(operation: Operation, cpu = 0): void {
    this.#count(operation, cpu, 'filtered');
  }

  /** Everything since the last batch, as one. */
  batch(options: BatchOptions = {}): RawEventBatch {
    const rows = this.#rows;
    this.#rows = emptyRows();
    this.#batch += 1;
    const byCpu = new Map<number, { first: number; last: number; count: number }>();
    for (const { cpu, sequence } of rows.events) {
      const range = byCpu.get(cpu);
      byCpu.set(cpu, {
        first: Math.min(range?.first ?? sequence, sequence),
        last: Math.max(range?.last ?? sequence, sequence),
        count: (range?.count ?? 0) + 1,
      });
    }
    const ended = options.sessionEnded ?? false;
    return {
      nodeId: this.nodeId,
      bootId: this.bootId,
      session: this.#session,
      batch: this.#batch,
      origin: 'live',
      baseTimeNs: rows.baseTimeNs(this.timeNs),
      wallClockOffsetNs: 1_700_000_000_000_000_000n,
      containers: options.containers ?? [],
      strings: rows.strings,
      processes: rows.processes,
      files: rows.files,
      addresses: rows.addresses,
      execs: rows.execs,
      events: rows.events,
      sequences: [...byCpu].map(([cpu, range]) => ({ cpu, ...range })),
      counters: (options.counters ?? ended) ? this.#counterRows() : [],
      helperFailures: [],
      gaps: options.gaps ?? [],
      sessionEnded: ended,
    };
  }

  /** With the caller as it is now. */
  #execDetail(process: TestProcess, commandLine: readonly Bytes[]): ExecDetail {
    return {
      arguments: commandLine.map((argument) => this.#rows.string(argument)),
      argumentsTruncated: false,
      calledName: this.#rows.string(''),
      interpreterFile: -1,
      callerExecutable: this.#rows.string(process.executable),
      callerUid: process.uid,
      callerEuid: process.uid,
      callerFsuid: process.uid,
      callerGid: process.gid,
    };
  }

  #counterRows(): OperationCounters[] {
    return [...this.#counters].map(([key, counts]) => {
      const [cpu, operation] = key.split('/') as [string, Operation];
      return { cpu: Number(cpu), operation, ...counts };
    });
  }

  #count(operation: Operation, cpu: number, what: 'filtered' | 'submitted' | 'dropped'): void {
    const key = `${cpu}/${operation}`;
    const counts = this.#counters.get(key) ?? { seen: 0, filtered: 0, submitted: 0, dropped: 0 };
    counts.seen += 1;
    counts[what] += 1;
    this.#counters.set(key, counts);
  }

  #act(operation: Operation, process: TestProcess, options: ActOptions, fields: Partial<RawEvent> = {}): void {
    this.timeNs += 1000n;
    const cpu = options.cpu ?? 0;
    const sequence = (this.#sequences.get(cpu) ?? 0) + 1;
    this.#sequences.set(cpu, sequence);
    this.#count(operation, cpu, 'submitted');
    this.#rows.events.push({
      timeNs: Number(this.timeNs - this.#rows.baseTimeNs(this.timeNs)),
      cpu,
      sequence,
      operation,
      syscall: -1,
      process: this.#rows.process(process),
      hostTid: process.hostPid,
      tid: process.hostPid,
      flags: 0,
      mode: 0,
      returnValue: options.returnValue ?? 0,
      childHostPid: 0,
      childStartTimeNs: 0,
      file: -1,
      typedPath: -1,
      fileDescriptor: -1,
      address: -1,
      exec: -1,
      newFile: -1,
      newTypedPath: -1,
      localAddress: -1,
      ...fields,
    });
  }
}

/** A file of which only the name is known. */
const unknownInode: Partial<FileObject> = {
  pathSource: 'directoryAndName',
  device: 0,
  inode: 0n,
  inodeType: 'unknown',
  inodeMode: 0,
  ownerUid: -1,
  ownerGid: -1,
};

/** The arrays of one batch, each distinct value once. */
interface Rows {
  readonly strings: Uint8Array[];
  readonly processes: ProcessContext[];
  readonly files: FileObject[];
  readonly addresses: SocketAddress[];
  readonly execs: ExecDetail[];
  readonly events: RawEvent[];
  baseTimeNs(now: bigint): bigint;
  string(value: Bytes): number;
  process(process: TestProcess): number;
  file(path: Bytes, file: Partial<Omit<FileObject, 'path'>>): number;
  address(address: SocketAddress): number;
  exec(detail: ExecDetail): number;
}

function emptyRows(): Rows {
  const stringIndexes = new Map<string, number>();
  const processIndexes = new Map<string, number>();
  let base: bigint | undefined;
  const rows: Rows = {
    strings: [],
    processes: [],
    files: [],
    addresses: [],
    execs: [],
    events: [],
    baseTimeNs: (now) => (base ??= now),
    string(value) {
      const bytes = bytesOf(value);
      const key = Buffer.from(bytes).toString('latin1');
      let index = stringIndexes.get(key);
      if (index === undefined) {
        index = rows.strings.push(bytes) - 1;
        stringIndexes.set(key, index);
      }
      return index;
    },
    process(process) {
      const { parent } = process;
      const context: ProcessContext = {
        hostPid: process.hostPid,
        hostPpid: parent?.hostPid ?? 0,
        pid: process.hostPid,
        ppid: parent?.hostPid ?? 0,
        startTimeNs: process.startTimeNs,
        parentStartTimeNs: parent?.startTimeNs ?? 0n,
        pidNamespace: 4_026_531_836,
        mountNamespace: 4_026_531_840,
        cgroupId: process.containerCgroupId,
        containerCgroupId: process.containerCgroupId,
        uid: process.uid,
        euid: process.uid,
        fsuid: process.uid,
        gid: process.gid,
        loginUid: 4_294_967_295,
        tty: process.tty === undefined ? -1 : rows.string(process.tty),
        comm: rows.string(process.comm),
        executable: rows.string(process.executable),
        parentExecutable: parent === undefined ? -1 : rows.string(parent.executable),
        cwd: rows.string(process.cwd),
      };
      const key = Object.values(context).join('/');
      let index = processIndexes.get(key);
      if (index === undefined) {
        index = rows.processes.push(context) - 1;
        processIndexes.set(key, index);
      }
      return index;
    },
    file(path, file) {
      const object: FileObject = {
        path: rows.string(path),
        pathSource: 'object',
        pathTruncated: false,
        device: 8 << 20,
        inode: 1n,
        inodeType: 'regular',
        inodeMode: 0o644,
        ownerUid: 0,
        ownerGid: 0,
        ...file,
      };
      return rows.files.push(object) - 1;
    },
    address: (address) => rows.addresses.push(address) - 1,
    exec: (detail) => rows.execs.push(detail) - 1,
  };
  return rows;
}
