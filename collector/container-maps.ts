import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Monitor } from '../native/monitor.ts';
import { containerLayouts, runtimeNames, type ContainerLayout } from './container-layouts.ts';
import {
  containerBytes,
  containerConstant,
  containerOffset,
  containerSource,
  executableBytes,
  executableOffset,
  layoutBytes,
  layoutId,
  layoutOffset,
} from './container-structs.ts';

/** A container as the kernel's map has it. */
export interface KernelContainer {
  readonly cgroupId: bigint;
  /** In the deciding hierarchy; bytes as latin1. */
  readonly path: string;
  /** CLOCK_BOOTTIME; 0n: before the monitor began. */
  readonly madeNs: bigint;
}

/** The part of Monitor that knows of containers. */
export type ContainerMaps = Pick<Monitor, 'mapLookup' | 'mapUpdate' | 'mapDelete' | 'mapEntries'>;

/** Directories searched for runtimes; runtimes elsewhere are known by their name, wherever they run from. */
const runtimeDirectories = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/usr/libexec', '/opt/bin'];
/** A configuration file larger than this is not read. */
const configurationBytesMax = 1 << 20;

/** Gives the kernel the layouts by which it knows a container's cgroup. */
export function writeLayouts(maps: ContainerMaps): void {
  for (let place = 0; place < containerConstant.containerLayoutsMax; place++) {
    const layout = containerLayouts[place];
    maps.mapUpdate(
      'container_layouts',
      u32(place),
      layout === undefined ? new Uint8Array(layoutBytes) : encode(layout),
    );
  }
}

/** Gives the kernel the runtimes by which it knows who makes containers: by name, and these executables. */
export function writeRuntimes(maps: ContainerMaps, executables: readonly string[]): void {
  for (const name of runtimeNames) {
    const key = Buffer.alloc(containerConstant.runtimeNameMax);
    // The last byte stays a NUL, as bpf_probe_read_kernel_str() leaves it.
    key.write(name, 0, containerConstant.runtimeNameMax - 1, 'latin1');
    maps.mapUpdate('runtime_names', key, new Uint8Array([1]));
  }
  for (const file of executables.slice(0, containerConstant.runtimesMax)) {
    const status = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (status?.isFile() !== true) continue;
    const key = Buffer.alloc(executableBytes);
    key.writeBigUInt64LE(status.ino, executableOffset.inode);
    key.writeUInt32LE(kernelDevice(status.dev), executableOffset.device);
    maps.mapUpdate('runtimes', key, new Uint8Array([1]));
  }
}

/** Executables of runtimes on this machine: by their usual names and places, and those that engines are configured with. */
export function installedRuntimes(): readonly string[] {
  const usual = runtimeDirectories.flatMap((directory) => runtimeNames.map((name) => join(directory, name)));
  return [...usual.filter((file) => isFile(file)), ...dockerRuntimes(), ...containerdRuntimes()];
}

/** What the kernel knows of a container, also for a while after its end; `undefined` where it knows nothing. */
export function readContainer(maps: ContainerMaps, cgroupId: bigint): KernelContainer | undefined {
  const value = maps.mapLookup('container_paths', u64(cgroupId));
  return value === undefined ? undefined : decode(cgroupId, value);
}

/** All containers that the kernel knows by now. */
export function readContainers(maps: ContainerMaps): readonly KernelContainer[] {
  return maps.mapEntries('containers').map(([key, value]) => decode(Buffer.from(key).readBigUInt64LE(), value));
}

/** Tells the kernel of a container that was there before the monitor. */
export function writeContainer(maps: ContainerMaps, container: Omit<KernelContainer, 'madeNs'>): void {
  const value = Buffer.alloc(containerBytes);
  const path = Buffer.from(container.path, 'latin1').subarray(0, containerConstant.cgroupPathMax - 1);
  value.writeUInt32LE(containerSource.found, containerOffset.source);
  value.writeUInt32LE(path.length, containerOffset.pathLength);
  path.copy(value, containerOffset.path);
  maps.mapUpdate('container_paths', u64(container.cgroupId), value);
  maps.mapUpdate('containers', u64(container.cgroupId), value);
}

/** Tells the kernel that a container is gone: it was removed while no monitor watched. */
export function deleteContainer(maps: ContainerMaps, cgroupId: bigint): void {
  maps.mapDelete('containers', u64(cgroupId));
}

function decode(cgroupId: bigint, value: Uint8Array): KernelContainer {
  const bytes = Buffer.from(value);
  const length = Math.min(bytes.readUInt32LE(containerOffset.pathLength), containerConstant.cgroupPathMax);
  return {
    cgroupId,
    path: bytes.toString('latin1', containerOffset.path, containerOffset.path + length),
    madeNs: bytes.readBigUInt64LE(containerOffset.madeNs),
  };
}

function encode(layout: ContainerLayout): Uint8Array {
  const row = Buffer.alloc(layoutBytes);
  const text = (value: string, offset: number, lengthOffset: number): void => {
    row.write(value, offset, containerConstant.layoutTextMax, 'latin1');
    row.writeUInt8(value.length, lengthOffset);
  };
  text(layout.before, layoutOffset.before, layoutOffset.beforeLength);
  text(layout.after, layoutOffset.after, layoutOffset.afterLength);
  text(layout.parent ?? '', layoutOffset.parent, layoutOffset.parentLength);
  text(layout.grandparent ?? '', layoutOffset.grandparent, layoutOffset.grandparentLength);
  row.writeUInt8(layout.parentIsPrefix === true ? 1 : 0, layoutOffset.parentIsPrefix);
  row.writeUInt8(layout.beforeIsInfix === true ? 1 : 0, layoutOffset.beforeIsInfix);
  row.writeUInt8(layout.id === 'hex64' ? layoutId.hex64 : layoutId.any, layoutOffset.id);
  row.writeUInt8(layout.isContainer ? 1 : 0, layoutOffset.isContainer);
  return row;
}

/** stat's st_dev as the kernel's own dev_t (include/linux/kdev_t.h: new_encode_dev turned around). */
function kernelDevice(device: bigint): number {
  const value = Number(device);
  const major = (value >>> 8) & 0xfff;
  const minor = (value & 0xff) | ((value >>> 12) & 0xfff00);
  return ((major << 20) | minor) >>> 0;
}

/** daemon.json's `runtimes: { name: { path } }`; a path without a slash is looked up by Docker in PATH, by name here. */
function dockerRuntimes(): readonly string[] {
  const text = readConfiguration('/etc/docker/daemon.json');
  if (text === undefined) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return []; // Docker itself refuses to start with it.
  }
  const runtimes = isObject(parsed) && isObject(parsed['runtimes']) ? Object.values(parsed['runtimes']) : [];
  return runtimes.flatMap((runtime) => {
    const path = isObject(runtime) ? runtime['path'] : undefined;
    return typeof path === 'string' && path.startsWith('/') ? [path] : [];
  });
}

/** config.toml's `BinaryName = "/path"` of each runtime's options. */
function containerdRuntimes(): readonly string[] {
  const text = readConfiguration('/etc/containerd/config.toml') ?? '';
  return [...text.matchAll(/^\s*BinaryName\s*=\s*"(\/[^"\\]+)"/gm)].flatMap(([, path]) => path ?? []);
}

function readConfiguration(file: string): string | undefined {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  return size === undefined || size > configurationBytesMax ? undefined : readFileSync(file, 'utf8');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
}
