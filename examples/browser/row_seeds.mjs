// Makes the seed of a row from one seed, as `kd.row_seeds` does, in integers of 64 bits that wrap.

const STEP = 0x9e3779b97f4a7c15n;
const wrapped = (x) => BigInt.asUintN(64, x);

function mixed(z) {
  z = wrapped(z + STEP);
  z = wrapped((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = wrapped((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

// Return the seed of row `number`, a BigInt of 64 bits with a sign.
export function rowSeed(seed, number = 0) {
  return BigInt.asIntN(64, mixed(wrapped(mixed(wrapped(BigInt(seed))) + BigInt(number) * STEP)));
}
