"""What can go wrong between here and a cluster.

ClusterError
├── ProfileError        (ValueError)  a cluster profile with an unknown, ill-typed or impossible entry
├── SubmissionRefused                 the scheduler will not take it now (queue full, rate limit, time-out): try later
├── SubmissionRejected                the scheduler will never take it as it is (bad account, partition, limits)
└── DevClusterError                   the development cluster cannot start; says which packages are missing
"""

from __future__ import annotations


class ClusterError(Exception):
    """Root of every error that the cluster layer raises on purpose."""


class ProfileError(ClusterError, ValueError):
    """A cluster profile with an unknown, ill-typed or impossible entry; names file and line."""


class SubmissionRefused(ClusterError):
    """The scheduler will not take it now (queue full, rate limit, socket time-out): try again later."""


class SubmissionRejected(ClusterError):
    """The scheduler will never take it as it is (bad account, partition or limits): the user must change something."""


class DevClusterError(ClusterError):
    """The development cluster cannot start or stop; says which package is missing and how to install it."""
