import { main } from './program.ts';

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  colors: process.stdout.isTTY === true && !process.env.NO_COLOR,
});
