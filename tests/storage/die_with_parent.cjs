// Loaded into the emulator: when the process that started it is gone, however it ended, its end of the pipe closes.
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
