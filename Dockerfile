# An image with dtrain and Open MPI, whose ranks also find each other by ssh, as the MPI operators of Kubernetes have it.
#
#   docker build -t dtrain .
#   docker run --rm --shm-size=1g -v "$PWD:/work" dtrain dtrain --ranks 4
#
# launch/dockerfile.sh runs these steps where there is no engine, as root.

FROM swift:6.2-bookworm AS build
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends git pkg-config openmpi-bin libopenmpi-dev libopenblas-dev zlib1g-dev \
        libssl-dev libpng-dev libjpeg-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /dtrain
COPY . .
RUN launch/install.sh --bundle /dtrain.tar.gz \
    && mkdir /opt/dtrain \
    && tar -xzf /dtrain.tar.gz --strip-components=1 -C /opt/dtrain

FROM debian:12-slim
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends openmpi-bin openssh-client openssh-server \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
COPY --from=build /opt/dtrain /opt/dtrain
RUN ln -s /opt/dtrain/bin/dtrain /usr/local/bin/dtrain \
    && useradd --uid 1000 --create-home --shell /bin/bash mpiuser \
    && mkdir -p /run/sshd /work \
    && chown mpiuser /work
# A cluster's operator mounts the keys of the job at ~/.ssh: one key for all hosts, made for this job alone, and its files can't be
# written. So there are no names of known hosts to keep, and sshd, which isn't root's, has that key for its own.
RUN printf '%s\n' 'Port 2222' 'PidFile none' 'HostKey /home/mpiuser/.ssh/id_rsa' 'StrictModes no' 'UsePAM no' \
        > /home/mpiuser/.sshd_config \
    && printf '%s\n' 'Host *' '    Port 2222' '    StrictHostKeyChecking no' '    UserKnownHostsFile /dev/null' \
        '    LogLevel ERROR' > /etc/ssh/ssh_config.d/mpi.conf
# Processes of a container may not read each other's memory (process_vm_readv), and not open each other's files in /proc, which is
# what a debugger's right (ptrace) decides. Open MPI and UCX, which it uses over InfiniBand, would try both.
ENV OMPI_MCA_btl_vader_single_copy_mechanism=none
ENV UCX_POSIX_USE_PROC_LINK=n
USER mpiuser
WORKDIR /work
CMD ["dtrain"]
