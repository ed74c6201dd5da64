#!/usr/bin/env bash
# Makes a kubeconfig for the Kubernetes Service: a service account on the cluster that kubectl points at, which may
# impersonate users, groups and service accounts, look at pods, and ask what it is allowed to do. Nothing more.
#
#   bash get-kubeconfig.sh
#
# Writes ./kubeconfig, readable by its owner only. Needs kubectl and the rights to create a namespace, a service account,
# a secret, a cluster role and its binding. Running it again changes nothing on the cluster and writes the file anew.
#
#   TELEPORT_NAMESPACE      namespace of the service account and its secret (teleport)
#   TELEPORT_SERVICE_ACCOUNT  name of the service account (teleport-sa)
set -euo pipefail

namespace=${TELEPORT_NAMESPACE:-teleport}
account=${TELEPORT_SERVICE_ACCOUNT:-teleport-sa}
# Cluster roles have no namespace: the name keeps two installations on one cluster apart.
role=$namespace-$account-role
secret=$account-token
output=kubeconfig
token_wait_seconds=10
token_lifetime_seconds=31536000

fail() {
  echo "ERROR: $*" >&2
  exit 1
}

main() {
  command -v kubectl >/dev/null || fail 'kubectl is needed, and is not on the PATH'
  [[ $namespace =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] || fail "TELEPORT_NAMESPACE '$namespace' is not a namespace name"
  [[ $account =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] || fail "TELEPORT_SERVICE_ACCOUNT '$account' is not a name"
  [[ ! -L $output ]] || fail "$output is a symbolic link: remove it, it would be written through"

  local server ca server_name token
  server=$(of_current_cluster server)
  [[ -n $server ]] || fail 'kubectl has no current cluster: choose one with kubectl config use-context'
  server_name=$(of_current_cluster tls-server-name)

  echo "Creating service account $account in namespace $namespace on $server"
  manifests | kubectl apply -f - >/dev/null || fail 'the service account could not be created: see the message of kubectl above'

  token=$(stored_token)
  if [[ -z $token ]]; then
    token=$(requested_token)
    echo "The cluster made no lasting token for the secret, so one was requested that expires. Run this again before it does." >&2
  fi
  ca=$(authority)
  [[ -n $ca ]] || fail 'the certificate authority of the API server is not known: kubectl config view --minify has none'

  write_kubeconfig "$server" "$server_name" "$ca" "$token"
  echo "The kubeconfig was written to $PWD/$output"
  echo 'Done!'
}

# A field of the cluster that kubectl talks to, certificates inlined.
of_current_cluster() {
  kubectl config view --raw --minify --flatten -o "jsonpath={.clusters[0].cluster['$1']}"
}

manifests() {
  cat <<EOF
apiVersion: v1
kind: Namespace
metadata:
  name: $namespace
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: $account
  namespace: $namespace
---
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata:
  name: $secret
  namespace: $namespace
  annotations:
    kubernetes.io/service-account.name: $account
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: $role
rules:
  - apiGroups: [""]
    resources: [users, groups, serviceaccounts]
    verbs: [impersonate]
  - apiGroups: [""]
    resources: [pods]
    verbs: [get]
  - apiGroups: [authorization.k8s.io]
    resources: [selfsubjectaccessreviews, selfsubjectrulesreviews]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: $role
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: $role
subjects:
  - kind: ServiceAccount
    name: $account
    namespace: $namespace
EOF
}

# The token that the cluster's token controller puts into the secret a moment after its creation.
stored_token() {
  local encoded
  for ((second = 0; second < token_wait_seconds; second++)); do
    encoded=$(of_secret token)
    if [[ -n $encoded ]]; then
      base64 --decode <<<"$encoded"
      return
    fi
    sleep 1
  done
}

of_secret() {
  kubectl get secret "$secret" --namespace "$namespace" -o "jsonpath={.data['$1']}" | tr -d '[:space:]'
}

# Clusters without a token controller still issue tokens, which expire.
requested_token() {
  local answer
  answer=$(
    printf '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":%d}}' "$token_lifetime_seconds" |
      kubectl create --raw "/api/v1/namespaces/$namespace/serviceaccounts/$account/token" -f -
  ) || fail 'the cluster gave no token for the service account'
  answer=$(sed -n 's/.*"token" *: *"\([^"]*\)".*/\1/p' <<<"$answer" | head -n 1)
  [[ -n $answer ]] || fail 'the cluster gave no token for the service account'
  printf '%s' "$answer"
}

# Base64: of kubectl's own configuration, or else what the cluster put beside the token.
authority() {
  local ca
  ca=$(of_current_cluster certificate-authority-data)
  [[ -n $ca ]] || ca=$(of_secret 'ca\.crt')
  printf '%s' "$ca"
}

write_kubeconfig() {
  local server=$1 server_name=$2 ca=$3 token=$4 temporary
  umask 077
  temporary=$(mktemp "./.$output.XXXXXX")
  trap 'rm -f "$temporary"' EXIT
  {
    echo 'apiVersion: v1'
    echo 'kind: Config'
    echo 'clusters:'
    echo '- cluster:'
    echo "    certificate-authority-data: $ca"
    echo "    server: $server"
    if [[ -n $server_name ]]; then echo "    tls-server-name: $server_name"; fi
    echo '  name: cluster'
    echo 'contexts:'
    echo '- context:'
    echo '    cluster: cluster'
    echo "    user: $account"
    echo "  name: $account"
    echo "current-context: $account"
    echo 'users:'
    echo "- name: $account"
    echo '  user:'
    echo "    token: $token"
  } >"$temporary"
  chmod 600 "$temporary"
  mv -f "$temporary" "$output"
  trap - EXIT
}

main "$@"
