import type { FileHandle } from 'node:fs/promises';

/** Where a symbol lies: in the file's own address space. */
export interface ElfSymbol {
  address: number;
  /** Not where the file says, but that far from where it was loaded (ET_DYN: a position-independent executable). */
  isRelative: boolean;
}

/** `dynamic`: what is exported, and survives strip(1); `all`: also what is internal. */
export type SymbolTable = 'dynamic' | 'all';

const TYPE_OF_TABLE: Record<SymbolTable, number> = { dynamic: 11, all: 2 }; // SHT_DYNSYM, SHT_SYMTAB
const CHUNK_BYTES = 1 << 20;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;

/**
 * A symbol of a 64-bit little-endian ELF file, by name; a compiler's suffix (`name.0`) counts as the name. null where
 * there is none. Format: elf(5). Reads piece by piece: Node's tables have 30 MB.
 */
export async function findSymbol(file: FileHandle, name: string, table: SymbolTable): Promise<ElfSymbol | null> {
  const head = await read(file, 0, 64);
  if (head.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return null;
  const isRelative = head.readUInt16LE(16) === 3;
  const sections = await read(file, Number(head.readBigUInt64LE(40)), head.readUInt16LE(60) * SECTION_BYTES);
  const sectionAt = (index: number) => {
    const at = index * SECTION_BYTES;
    return { offset: Number(sections.readBigUInt64LE(at + 24)), bytes: Number(sections.readBigUInt64LE(at + 32)) };
  };
  for (let index = 0; index < sections.length / SECTION_BYTES; index++) {
    if (sections.readUInt32LE(index * SECTION_BYTES + 4) !== TYPE_OF_TABLE[table]) continue;
    const symbols = sectionAt(index);
    const names = await offsetsOf(file, sectionAt(sections.readUInt32LE(index * SECTION_BYTES + 40)), name);
    const address = names.size > 0 ? await addressOf(file, symbols, names) : null;
    if (address !== null) return { address, isRelative };
  }
  return null;
}

interface Section {
  offset: number;
  bytes: number;
}

/** Where in a string table the name begins. */
async function offsetsOf(file: FileHandle, { offset, bytes }: Section, name: string): Promise<Set<number>> {
  const found = new Set<number>();
  const wanted = Buffer.from(`\0${name}`);
  const overlap = wanted.length + 1;
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    const chunk = await read(file, offset + at, Math.min(CHUNK_BYTES + overlap, bytes - at));
    for (let hit = chunk.indexOf(wanted); hit >= 0; hit = chunk.indexOf(wanted, hit + 1)) {
      if ([0, 0x2e].includes(chunk[hit + wanted.length] ?? -1)) found.add(at + hit + 1);
    }
  }
  return found;
}

/** The address of the first defined symbol that has one of these names. */
async function addressOf(file: FileHandle, { offset, bytes }: Section, names: Set<number>): Promise<number | null> {
  const step = Math.floor(CHUNK_BYTES / SYMBOL_BYTES) * SYMBOL_BYTES;
  for (let at = 0; at < bytes; at += step) {
    const chunk = await read(file, offset + at, Math.min(step, bytes - at));
    for (let entry = 0; entry + SYMBOL_BYTES <= chunk.length; entry += SYMBOL_BYTES) {
      if (!names.has(chunk.readUInt32LE(entry)) || chunk.readUInt16LE(entry + 6) === 0) continue; // SHN_UNDEF
      return Number(chunk.readBigUInt64LE(entry + 8));
    }
  }
  return null;
}

/** Throws where the file ends before. */
async function read(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, position);
  if (bytesRead < bytes) throw new Error('an ELF file that ends too early');
  return buffer;
}
