/** How many bytes of a program tell what it runs on. */
export const headerLength = 20;

const elfMachines: Readonly<Record<number, string>> = { 0x3e: "amd64", 0xb7: "arm64" };
const machMachines: Readonly<Record<number, string>> = {
  0x0100_0007: "amd64",
  0x0100_000c: "arm64",
};

/**
 * What a program runs on, by its first bytes: ELF (elf(5): machine at byte 18) or 64-bit
 * Mach-O (mach-o/loader.h: CPU type at byte 4), both little-endian.
 * @param header its first 20 bytes
 * @returns such as "linux amd64", or what it is instead, for the refusal
 */
export function binaryPlatform(header: Buffer): string {
  if (header.length < headerLength) return `a file of ${header.length} bytes`;
  const magic = header.readUInt32BE(0);
  if (magic === 0x7f45_4c46) {
    const is64LittleEndian = header[4] === 2 && header[5] === 1;
    const isProgram = [2, 3].includes(header.readUInt16LE(16));
    const machine = elfMachines[header.readUInt16LE(18)];
    if (is64LittleEndian && isProgram && machine !== undefined) return `linux ${machine}`;
    return "an ELF file for another machine";
  }
  if (magic === 0xcffa_edfe) {
    const machine = machMachines[header.readUInt32LE(4)];
    return machine === undefined ? "a Mach-O file for another machine" : `darwin ${machine}`;
  }
  return header.toString("latin1", 0, 2) === "#!" ? "a script" : "no program";
}
